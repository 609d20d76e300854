// One error in the envelope of each family. The gateway and the replica answer through this alone, so an
// error looks the same wherever it was found.

import type { CerebriumAnswer } from "./cerebrium.ts";
import { errorTable, problemDetails, type ServingError } from "./errors.ts";
import type { OpenAiErrorBody } from "./openai.ts";
import type { Dialect } from "./run.ts";

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

export interface ErrorContext {
  /** The run's id, null where no run was begun. */
  readonly runId: string | null;
  /** A URI for this occurrence: the request's path, or the run where the path is not the caller's; null: none. */
  readonly instance: string | null;
  /** Who speaks: Baseten clients read it from `X-BASETEN-ERROR-SOURCE`. */
  readonly source: "gateway" | "replica";
}

export function errorAnswer(dialect: Dialect, error: ServingError, context: ErrorContext): ErrorAnswer {
  switch (dialect) {
    case "corral":
      return answer(error, "application/problem+json", problemDetails(error, context.instance ?? undefined));
    case "baseten":
      return answer(error, "application/json", basetenBody(error, context), {
        "x-baseten-error-source": context.source === "gateway" ? "01" : "04",
        "x-baseten-error-code": String(basetenErrorCode(error)),
      });
    case "cerebrium":
      return answer(error, "application/json", cerebriumBody(error, context));
    case "openai": {
      const answered = answer(error, "application/json", openAiBody(error, context));
      // Their clients know 400 for whatever is wrong with a body.
      return { ...answered, status: error.status === 422 ? 400 : error.status };
    }
  }
}

function answer(
  error: ServingError,
  contentType: string,
  body: unknown,
  headers: Record<string, string> = {},
): ErrorAnswer {
  const retry =
    error.retryAfterSeconds ?? (errorTable[error.code].retryable && error.status !== 502 ? 1 : null);
  return {
    status: error.status,
    headers: {
      "content-type": contentType,
      ...(retry === null ? {} : retryHeaders(retry)),
      ...(error.status === 401 ? { "www-authenticate": "Api-Key" } : {}),
      ...headers,
    },
    body: JSON.stringify(body),
  };
}

/** The standard header has whole seconds; OpenAI's clients, ours among them, wait by the finer one. */
function retryHeaders(seconds: number): Record<string, string> {
  return {
    "retry-after": String(Math.max(1, Math.ceil(seconds))),
    "retry-after-ms": String(Math.max(1, Math.ceil(seconds * 1000))),
  };
}

/** `{error}` is what Baseten's clients read; the other members are ours. */
function basetenBody(error: ServingError, context: ErrorContext) {
  return {
    error: error.message,
    code: error.code,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
    ...(context.runId === null ? {} : { run_id: context.runId }),
  };
}

/** 7xx: the client's, 6xx: the model's, 5xx: unexpected. Source: the Truss server's code groups. */
function basetenErrorCode(error: ServingError): 500 | 600 | 700 {
  const groups = { client: 700, model: 600, platform: 500 } as const;
  return groups[errorTable[error.code].fault];
}

function cerebriumBody(error: ServingError, context: ErrorContext): CerebriumAnswer {
  return {
    run_id: context.runId ?? "",
    run_time_ms: 0,
    message: error.message,
    result: null,
    code: error.code,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
  };
}

/** Of a failed call, and of a stream that breaks off. */
export function openAiBody(error: ServingError, context: Pick<ErrorContext, "runId">): OpenAiErrorBody {
  const pointer = error.errors.find((one) => one.pointer !== "")?.pointer;
  return {
    error: {
      message: error.message,
      type:
        error.status >= 500
          ? "server_error"
          : error.status === 429
            ? "rate_limit_error"
            : "invalid_request_error",
      param: pointer === undefined ? null : pathOf(pointer),
      code: error.code,
      ...(error.errors.length > 0 ? { errors: error.errors } : {}),
      ...(context.runId === null ? {} : { run_id: context.runId }),
    },
  };
}

/** `/messages/0/role` → `messages[0].role`. */
function pathOf(pointer: string): string {
  const names = pointer.slice(1).split("/");
  const words = names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  return words.map((word, at) => (at === 0 ? word : /^\d+$/.test(word) ? `[${word}]` : `.${word}`)).join("");
}
