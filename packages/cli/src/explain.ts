// An error as what a person reads: one sentence, then every bad field; or as one JSON value for a script.

import { isServingError } from "@corral/contract";
import { Interrupted, UsageError } from "./exit-codes.ts";
import { UnreachableError } from "@corral/client";

export function explain(error: unknown): string {
  if (error instanceof UnreachableError) {
    return `${error.message} Start a platform with \`corral up\`, or say where it is with --url or CORRAL_URL.`;
  }
  if (isServingError(error)) {
    if (error.errors.length > 1) {
      const listed = error.errors.map(({ message }) => `  - ${message}`);
      return `${error.errors.length} things are wrong:\n${listed.join("\n")}`;
    }
    return error.message;
  }
  if (error instanceof UsageError || error instanceof Interrupted) return error.message;
  if (isSystemError(error)) return `${sentence(error)} (${error.code}).`;
  return `Something went wrong in corral itself: ${error instanceof Error ? error.message : String(error)}. CORRAL_DEBUG=1 shows where.`;
}

export function explainAsJson(error: unknown): string {
  if (isServingError(error)) {
    return JSON.stringify({ code: error.code, detail: error.message, errors: error.errors });
  }
  const code =
    error instanceof UsageError
      ? "usage"
      : error instanceof Error && "code" in error
        ? error.code
        : "failure";
  return JSON.stringify({ code, detail: error instanceof Error ? error.message : String(error), errors: [] });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

function sentence(error: NodeJS.ErrnoException): string {
  const path = error.path ?? "A file";
  if (error.code === "ENOENT") return `${path} does not exist`;
  if (error.code === "EACCES" || error.code === "EPERM") return `${path} may not be read or written`;
  if (error.code === "EISDIR") return `${path} is a directory`;
  return error.message;
}
