// What the platform is told of an error: the error itself where it has words of ours, else what the operating system
// says, with the place and a remedy.

import { asServingError, isServingError, type ErrorCode, type PreparationMessage } from "@corral/contract";
import { dirname } from "node:path";

type Failed = Extract<PreparationMessage, { kind: "failed" }>;

/** @param target what was to be written; null before that is known */
export function failureOf(error: unknown, target: string | null): Failed {
  const failed = (code: ErrorCode, detail: string): Failed => ({ kind: "failed", code, detail });
  if (isServingError(error)) return failed(error.code, error.message);
  const directory = target === null ? "the target's directory" : dirname(target);
  const path = error instanceof Error && "path" in error ? String(error.path) : directory;
  switch (error instanceof Error && "code" in error ? error.code : null) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return failed("storage_full", `There is no room left in ${directory}; free some space.`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return failed("forbidden", `${path} may not be read or written by this user; give another place.`);
    case "ENOTDIR":
    case "EISDIR":
    case "ENOENT":
      return failed("invalid_parameter", `${path} is not where a file can be written or read.`);
    default: {
      const { code, message } = asServingError(error);
      return failed(code, error instanceof Error ? error.message : message);
    }
  }
}
