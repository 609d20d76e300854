// A route's schemas against what came in: the parsed value, or one error that names every bad field.

import { fieldsError, type ErrorCode, type FieldError } from "@corral/contract";
import type { FastifySchemaCompiler } from "fastify";
import type { z } from "zod";

export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema }) => {
  return (data: unknown) => {
    const parsed = schema.safeParse(data, { reportInput: true });
    return parsed.success
      ? { value: parsed.data }
      : { error: fieldsError(parsed.error.issues.flatMap(fieldErrors)) };
  };
};

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      pointer: pointerOf([...issue.path, key]),
      code: "unknown_parameter",
      message: `${key} is not known here; leave it out.`,
    }));
  }
  const name = issue.path.length === 0 ? "The body" : issue.path.join(".");
  const missing = issue.input === undefined && issue.path.length > 0;
  const code: ErrorCode = missing ? "missing_parameter" : "invalid_parameter";
  const message = missing ? `${name} is missing.` : `${name}: ${issue.message}${given(issue.input)}.`;
  return [{ pointer: pointerOf(issue.path), code, message }];
}

function given(input: unknown): string {
  const short =
    typeof input === "string" || typeof input === "number" || typeof input === "boolean" || input === null;
  return short ? `, given ${JSON.stringify(input).slice(0, 100)}` : "";
}

function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
