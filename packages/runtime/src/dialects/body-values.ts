// Words about the values of a body: their kind, where they stand, and how a message shows them.

import type { ErrorCode, FieldError } from "@corral/contract";

/** Takes note of what is wrong with a body. */
export interface ErrorNotes {
  readonly errors: readonly FieldError[];
  refuse(pointer: string, code: ErrorCode, message: string): void;
}

export const mostErrors = 50;

export function fieldCode(value: unknown): ErrorCode {
  return value === undefined ? "missing_parameter" : "invalid_parameter";
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON pointer of a top-level field (RFC 6901). */
export function pointerTo(name: string): string {
  return `/${name.slice(0, 100).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** A value for an error message: short, and never following a value's own depth. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
