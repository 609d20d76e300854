// What author code answered, or how it failed, in the envelope of each family. Knows no response.

import {
  errorAnswer,
  ServingError,
  successMessage,
  type Dialect,
  type ErrorAnswer,
  type FieldError,
} from "@corral/contract";
import type { AnswerMessage, ErrorMessage } from "./protocol.ts";
import type { CallFailure } from "./worker-calls.ts";

export interface EnvelopeContext {
  readonly runId: string;
  readonly runTimeMs: number;
  readonly modelId: string;
  readonly deploymentId: string;
  readonly usage: Readonly<Record<string, number>>;
  /** The value is the whole answer. */
  readonly isBare: boolean;
}

/** A JSON value of the code, as it is but for what stands around it. `value` is JSON text, and is not read. */
export function wrapValue(
  dialect: Dialect,
  value: Buffer | string,
  context: EnvelopeContext,
): Buffer | string {
  const { runId, runTimeMs, modelId, deploymentId, usage, isBare } = context;
  if (isBare) return value;
  switch (dialect) {
    case "openai":
      return value;
    case "baseten":
      return around({ model_id: modelId, model_version_id: deploymentId }, "model_output", value, {});
    case "cerebrium":
      return around({ run_id: runId, run_time_ms: runTimeMs, message: successMessage }, "result", value, {});
    case "corral":
      return around({ run_id: runId, run_time_ms: runTimeMs }, "result", value, { usage, warnings: [] });
  }
}

function around(before: object, name: string, value: Buffer | string, after: object): Buffer | string {
  const head = `${JSON.stringify(before).slice(0, -1)},${JSON.stringify(name)}:`;
  const rest = JSON.stringify(after).slice(1, -1);
  const tail = rest === "" ? "}" : `,${rest}}`;
  if (typeof value === "string") return `${head}${value}${tail}`;
  return Buffer.concat([Buffer.from(head), value, Buffer.from(tail)]);
}

/** Of an answer of the code. */
export function headersOf({
  headers,
  status,
  is_response: isResponse,
}: AnswerMessage): Record<string, string | string[]> {
  const all = gathered(headers);
  // Truss marks what a model refuses with a response of its own.
  if (isResponse === true && status >= 300)
    return { ...all, "x-baseten-error-source": "04", "x-baseten-error-code": "700" };
  return all;
}

function gathered(headers: AnswerMessage["headers"]): Record<string, string | string[]> {
  const [only] = headers;
  // Nearly every answer has one.
  if (headers.length === 1 && only?.[0] === "content-type") return { "content-type": only[1] };
  const all = new Map<string, string | string[]>();
  for (const [name, value] of headers) {
    const before = all.get(name);
    all.set(name, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(all);
}

/** Truss's texts; the code's own words go into the log alone. */
const hidden = "Internal Server Error (in model/chainlet).";

/** As the run's record has it. */
export function errorOf(failure: CallFailure): ServingError {
  switch (failure.reason) {
    case "exception":
    // Only calls of the replica's model are refused; code that says so of itself has failed.
    case "refused":
      return new ServingError("code_failed", hidden);
    case "unserialisable":
      // As the Truss server says it.
      return new ServingError("code_failed", `Unhandled exception: ${failure.message}`);
    case "too_large":
      return new ServingError("code_failed", failure.message);
    case "http":
      return new ServingError("code_refused", failure.message);
    case "invalid_json":
      return new ServingError("invalid_json", failure.message);
    case "invalid_input":
      return new ServingError("invalid_parameter", failure.message, { errors: fieldErrors(failure) });
    case "no_method":
      return new ServingError("route_not_found", failure.message);
    case "canceled":
      return new ServingError("aborted", "The run was canceled.");
    case "lost":
      return new ServingError("code_lost", failure.message);
    case "timeout":
      return new ServingError("timeout", failure.message);
  }
}

/** Statuses and codes of the Truss server, which Baseten's clients know. Source: truss 0.18.35, errors.py. */
const trussAnswers: Readonly<
  Partial<Record<CallFailure["reason"], readonly [status: number, code: number]>>
> = {
  exception: [500, 600],
  http: [500, 600],
  unserialisable: [500, 500],
  too_large: [500, 600],
  invalid_json: [400, 700],
  invalid_input: [400, 700],
  no_method: [404, 700],
  refused: [500, 600],
};

export function failureAnswer(dialect: Dialect, failure: CallFailure, runId: string): ErrorAnswer {
  const error = errorOf(failure);
  const truss = trussAnswers[failure.reason];
  if (dialect === "baseten" && truss !== undefined) return trussAnswer(failure, truss);
  const answer = errorAnswer(dialect, error, {
    runId,
    instance: `urn:uuid:${runId}`,
    source: "replica",
  });
  if (failure.reason !== "http") return answer;
  const headers = { ...answer.headers, ...last(failure.headers) };
  return { ...answer, headers, status: failure.status ?? answer.status };
}

function trussAnswer(failure: CallFailure, [status, code]: readonly [number, number]): ErrorAnswer {
  const isOwn = failure.reason === "http";
  const error = isOwn ? (failure.detail ?? failure.message) : errorOf(failure).message;
  return {
    status: isOwn ? (failure.status ?? status) : status,
    headers: {
      "content-type": "application/json",
      "x-baseten-error-source": "04",
      "x-baseten-error-code": String(code),
      ...(isOwn ? last(failure.headers) : {}),
    },
    body: textOf(error) ?? JSON.stringify({ error: failure.message }),
  };
}

/** Null: what the code gave is nested too deeply to be written. */
function textOf(error: unknown): string | null {
  try {
    return JSON.stringify({ error });
  } catch {
    return null;
  }
}

/** Of an error each name has one value. */
function last(headers: ErrorMessage["headers"] = []): Record<string, string> {
  return Object.fromEntries(headers);
}

function fieldErrors({ errors = [] }: Pick<ErrorMessage, "errors">): FieldError[] {
  return errors.map(({ pointer, detail }) => ({ pointer, code: "invalid_parameter", message: detail }));
}
