// A failed HTTP answer → the `ServingError` that the server threw, whatever envelope it came in. Does not know
// which route was called.

import { errorTable, redact, ServingError, type ErrorCode, type FieldError } from "@corral/contract";

/** No answer at all: wrong address, nothing listens, or the connection broke. `code` tells it apart. */
export class UnreachableError extends Error {
  readonly code = "unreachable";
  readonly url: string;

  constructor(url: string, detail: string, options: { readonly cause?: unknown } = {}) {
    super(redact(detail), options);
    this.name = "UnreachableError";
    this.url = url;
  }
}

/** For answers that carry no code of ours: a proxy's, or another server's. */
const codeByStatus: ReadonlyMap<number, ErrorCode> = new Map([
  [400, "invalid_json"],
  [401, "unauthenticated"],
  [403, "forbidden"],
  [404, "route_not_found"],
  [405, "method_not_allowed"],
  [409, "conflict"],
  [413, "body_too_large"],
  [415, "unsupported_media_type"],
  [421, "misdirected_host"],
  [422, "invalid_parameter"],
  [429, "queue_full"],
  [499, "client_closed"],
  [502, "replica_lost"],
  [503, "deployment_not_ready"],
  [504, "timeout"],
]);

/** Reads problem details, Baseten's `{error}`, Cerebrium's `{message}` and OpenAI's `{error: {message}}`. */
export async function errorOfResponse(response: Response): Promise<ServingError> {
  const text = await response.text().catch(() => "");
  const body = parseObject(text);
  const code = codeOf(body, response.status);
  const detail = detailOf(body) ?? `The server answered ${response.status} without saying why.`;
  const retryAfterSeconds = retryAfterOf(response);
  return new ServingError(code, detail, {
    errors: fieldErrorsOf(body),
    ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
  });
}

/** Seconds of `retry-after-ms` or `Retry-After` (a number or a date), or null. */
export function retryAfterOf(response: Response): number | null {
  const milliseconds = response.headers.get("retry-after-ms");
  if (milliseconds !== null && Number(milliseconds) >= 0) return Number(milliseconds) / 1000;
  const value = response.headers.get("retry-after");
  if (value === null || value.trim() === "") return null;
  if (Number(value) >= 0) return Number(value);
  const now = Date.parse(response.headers.get("date") ?? "");
  const seconds = (Date.parse(value) - now) / 1000;
  return seconds >= 0 ? seconds : null;
}

function codeOf(body: Record<string, unknown>, status: number): ErrorCode {
  const inner = isObject(body["error"]) ? body["error"]["code"] : undefined;
  for (const code of [body["code"], inner]) {
    if (typeof code === "string" && Object.hasOwn(errorTable, code)) return code as ErrorCode;
  }
  return codeByStatus.get(status) ?? "internal";
}

function detailOf(body: Record<string, unknown>): string | null {
  const inner = isObject(body["error"]) ? body["error"]["message"] : body["error"];
  const found = [body["detail"], inner, body["message"]].find(
    (text) => typeof text === "string" && text !== "",
  );
  return typeof found === "string" ? found : null;
}

function fieldErrorsOf(body: Record<string, unknown>): FieldError[] {
  const errors = Array.isArray(body["errors"]) ? body["errors"] : [];
  return errors.filter(
    (error): error is FieldError =>
      isObject(error) && typeof error["pointer"] === "string" && typeof error["message"] === "string",
  );
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
