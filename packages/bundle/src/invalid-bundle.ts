// How the mistakes of a model directory become one error.

import { ServingError, type ErrorCode, type FieldError } from "@corral/contract";

export function fieldError(at: string, code: ErrorCode, message: string): FieldError {
  return { pointer: at, code, message };
}

/** One error of all mistakes of a bundle. */
export function invalidBundle(errors: readonly FieldError[]): ServingError {
  return new ServingError("invalid_bundle", errors.map((error) => error.message).join(" "), { errors });
}
