// What the exit code of `corral` says; printed by `corral --help`.

import { errorTable, isServingError } from "@corral/contract";
import { UnreachableError } from "@corral/client";

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  unauthenticated: 3,
  notFound: 4,
  unavailable: 5,
  refused: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeHelp: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.ok, "it worked"],
  [exitCodes.failure, "it failed"],
  [exitCodes.usage, "the command line is not valid"],
  [exitCodes.unauthenticated, "no API key, a wrong one, or one that may not do this"],
  [exitCodes.notFound, "no such model, version, deployment, run, key or weights"],
  [exitCodes.unavailable, "the platform cannot be reached, is busy or is not ready; try again later"],
  [exitCodes.refused, "what was sent is not valid: a parameter, the bundle, the weights"],
  [exitCodes.interrupted, "interrupted"],
];

/** A mistake on the command line; its message is a sentence. */
export class UsageError extends Error {}

/** The command was interrupted by a signal. */
export class Interrupted extends Error {}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof Interrupted) return exitCodes.interrupted;
  if (error instanceof UnreachableError) return exitCodes.unavailable;
  if (!isServingError(error)) return exitCodes.failure;
  const { status } = error;
  if (status === 401 || status === 403) return exitCodes.unauthenticated;
  if (status === 404 || error.code === "weights_missing") return exitCodes.notFound;
  if ([429, 502, 503, 504].includes(status))
    return errorTable[error.code].retryable ? exitCodes.unavailable : exitCodes.failure;
  return status >= 400 && status < 500 ? exitCodes.refused : exitCodes.failure;
}
