// What the platform is told of an error: the error itself where it has words of ours, else what the operating system
// says, with the place and a remedy. What is read has its own words, so the rest is about what is written.

import {
  asServingError,
  isServingError,
  ServingError,
  type ErrorCode,
  type PreparationMessage,
} from "@corral/contract";
import { dirname } from "node:path";

type Failed = Extract<PreparationMessage, { kind: "failed" }>;

/** What the operating system says of a file or directory that was to be read; any other error as it is. */
export function readingFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error && "syscall" in error && "code" in error)) return error;
  if (error.code === "ENOENT" || error.code === "ENOTDIR")
    return new ServingError("weights_missing", `There is no ${path}; check the path, or fetch it again.`, {
      cause: error,
    });
  return new ServingError(
    "weights_unreadable",
    `${path} cannot be read (${String(error.code)}); let the user that runs Corral read it, or fetch it again.`,
    { cause: error },
  );
}

/** @param target what was to be written; null before that is known */
export function failureOf(error: unknown, target: string | null): Failed {
  const failed = (code: ErrorCode, detail: string): Failed => ({ kind: "failed", code, detail });
  if (isServingError(error)) return failed(error.code, error.message);
  const directory = target === null ? "the target's directory" : dirname(target);
  const path = error instanceof Error && "path" in error ? String(error.path) : directory;
  const systemCode = error instanceof Error && "code" in error ? String(error.code) : null;
  switch (systemCode) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return failed("storage_full", `There is no room left in ${directory}; free some space.`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOTDIR":
    case "EISDIR":
    case "ENOENT":
      return failed(
        "storage_full",
        `Nothing can be written at ${path} (${systemCode}); give a place in a directory that Corral may write to.`,
      );
    default: {
      const { code, message } = asServingError(error);
      return failed(code, error instanceof Error ? error.message : message);
    }
  }
}
