// The one error table: every code that a caller, an author or an operator can meet, on any wire.
// Dialects translate these into their own envelopes; nothing else invents a status or a title.

export type ErrorFault = "client" | "model" | "platform";

export interface ErrorDefinition {
  readonly status: number;
  readonly title: string;
  readonly fault: ErrorFault;
  /** True where the same call may succeed later without being changed. */
  readonly retryable: boolean;
}

const client = (status: number, title: string, retryable = false): ErrorDefinition => ({
  status,
  title,
  fault: "client",
  retryable,
});
const model = (status: number, title: string, retryable = false): ErrorDefinition => ({
  status,
  title,
  fault: "model",
  retryable,
});
const platform = (status: number, title: string, retryable = false): ErrorDefinition => ({
  status,
  title,
  fault: "platform",
  retryable,
});

export const errorTable = {
  // What the caller sent.
  invalid_json: client(400, "The body is not valid JSON"),
  invalid_parameter: client(422, "A parameter has a wrong type or value"),
  missing_parameter: client(422, "A required parameter is missing"),
  unknown_parameter: client(422, "A parameter is not known"),
  unsupported_parameter: client(422, "A parameter is known but not supported here"),
  prompt_too_long: client(422, "The prompt does not fit"),
  invalid_bundle: client(422, "The model directory is not valid"),
  invalid_chat: client(422, "The model's chat template refuses these messages"),
  unauthenticated: client(401, "A valid API key is needed"),
  forbidden: client(403, "The API key may not do this"),
  model_not_found: client(404, "No such model"),
  version_not_found: client(404, "No such version"),
  deployment_not_found: client(404, "No such deployment"),
  run_not_found: client(404, "No such run"),
  delivery_not_found: client(404, "No such delivery"),
  key_not_found: client(404, "No such API key"),
  secret_not_found: client(404, "No such secret"),
  weights_not_found: client(404, "No such weights"),
  adapter_not_found: client(404, "No such adapter"),
  repository_not_found: client(404, "No such repository on the hub"),
  repository_gated: client(403, "The hub does not give this repository to this token"),
  license_not_accepted: client(422, "The model's licence has not been accepted"),
  route_not_found: client(404, "No such route"),
  method_not_allowed: client(405, "The method is not allowed on this route"),
  upgrade_required: client(426, "The address is a websocket's"),
  conflict: client(409, "The resource is in another state"),
  idempotency_key_in_use: client(409, "The first call with this key is still being carried out", true),
  idempotency_key_reused: client(422, "The idempotency key stands for another call"),
  version_moved: client(409, "The deployment has another version by now"),
  no_token_possible: client(422, "The parameters leave no token possible"),
  body_too_large: client(413, "The body is over the limit"),
  unsupported_media_type: client(415, "The content type is not supported"),
  misdirected_host: client(421, "The Host header names another server"),
  queue_full: client(429, "Too many calls are waiting", true),
  key_limit_exceeded: client(429, "The API key's limit is reached", true),
  budget_exceeded: client(429, "The API key's budget does not allow the call", true),
  client_closed: client(499, "The caller went away"),
  // The model and the process that runs it.
  weights_unreadable: model(422, "The weights cannot be loaded"),
  weights_missing: model(422, "The weights are not there"),
  weights_changed: model(422, "The weights differ from those that were pushed"),
  weights_unsupported: model(422, "The weights are of a kind that is not supported"),
  model_too_large: model(422, "The model does not fit in memory"),
  context_too_large: model(422, "The context does not fit in memory"),
  no_chat_template: model(422, "The model has no chat template"),
  python_missing: model(422, "No Python on this machine runs the model"),
  external_data_failed: model(422, "A file that the model names cannot be downloaded"),
  environment_failed: model(422, "The model's packages cannot be installed"),
  decode_failed: model(500, "The model could not compute a step", true),
  out_of_cells: model(503, "The KV cache is full", true),
  code_not_loaded: model(422, "The model's code cannot be loaded"),
  code_load_failed: model(503, "The model's code failed while it was loaded", true),
  code_unhealthy: model(503, "The model's code says that it is not healthy", true),
  code_failed: model(500, "The model's code failed"),
  code_refused: model(400, "The model's code refused the call"),
  calls_too_deep: model(508, "Deployments call each other too deeply"),
  code_lost: model(502, "The process of the model's code ended before it answered", true),
  library_missing: platform(500, "The llama.cpp library is not installed"),
  library_mismatch: platform(500, "The llama.cpp library is not the expected one"),
  device_missing: platform(500, "The device that is asked for is not there"),
  engine_misuse: platform(500, "The engine was called in a way that is not allowed"),
  // The platform.
  aborted: platform(499, "The run was canceled"),
  replica_lost: platform(502, "The replica ended before it answered", true),
  deployment_not_ready: platform(503, "The deployment is not ready", true),
  model_loading: platform(503, "The model is being loaded", true),
  hub_unavailable: platform(503, "The hub does not answer", true),
  download_corrupt: platform(502, "What the hub sent is not what it announced", true),
  deployment_failed: platform(503, "The deployment cannot start"),
  shutting_down: platform(503, "The server is shutting down", true),
  database_unavailable: platform(503, "The database does not answer", true),
  secret_unreadable: platform(500, "A secret cannot be opened"),
  storage_full: platform(507, "There is no room left to store it", true),
  timeout: platform(504, "The call took too long", true),
  expired: platform(504, "The run waited too long in the queue", true),
  internal: platform(500, "An unexpected error"),
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof errorTable;

/** One bad field of a body. */
export interface FieldError {
  /** JSON pointer (RFC 6901) to the field: `/temperature`, `/messages/0/role`; "" is the whole body. */
  readonly pointer: string;
  readonly code: ErrorCode;
  /** Names the parameter, the allowed range, the given value and the remedy. */
  readonly message: string;
}

export interface ServingErrorOptions {
  readonly cause?: unknown;
  readonly errors?: readonly FieldError[];
  /** Seconds for `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

/**
 * A failure with a code of the table. `message` is the detail that the caller may read.
 * Across packages and processes it is identified by `code` (see `asServingError`), never by `instanceof`.
 */
export class ServingError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[];
  readonly retryAfterSeconds: number | null;

  constructor(code: ErrorCode, detail: string, options: ServingErrorOptions = {}) {
    super(redact(detail), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ServingError";
    this.code = code;
    this.errors = options.errors ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}

/** One error made of the bad fields of a body; its code is the first field's. */
export function fieldsError(errors: readonly FieldError[]): ServingError {
  const first = errors[0];
  if (first === undefined) throw new TypeError("fieldsError needs at least one field");
  return new ServingError(first.code, errors.map((error) => error.message).join(" "), { errors });
}

/** The error itself where it carries a known code, else `internal` with the cause kept for the log. */
export function asServingError(error: unknown): ServingError {
  if (isServingError(error)) return error;
  if (isStorageFull(error)) {
    return new ServingError(
      "storage_full",
      "The disk of CORRAL_HOME or of the database is full; free some space.",
      {
        cause: error,
        retryAfterSeconds: 60,
      },
    );
  }
  return new ServingError("internal", "Something went wrong inside Corral; the log has the cause.", {
    cause: error,
  });
}

/** A full disk or quota as the operating system names it, or PostgreSQL's disk_full. */
function isStorageFull(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return code === "ENOSPC" || code === "EDQUOT" || code === "53100";
}

export function isServingError(error: unknown): error is ServingError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    Object.hasOwn(errorTable, error.code) &&
    "errors" in error &&
    Array.isArray(error.errors)
  );
}

/** Removes whatever looks like one of our keys, a hub's token or an Authorization header; `YOUR_KEY` is no key. */
export function redact(text: string): string {
  // Most texts hold nothing of the kind: one look is cheaper than five.
  if (!suspicious.test(text)) return text;
  return text
    .replaceAll(/\bcorral_[A-Za-z0-9]{6,}_[A-Za-z0-9]{8,}\b/g, "corral_***")
    .replaceAll(/\bhf_[A-Za-z0-9]{16,}\b/g, "hf_***")
    .replaceAll(/\b(api-key|bearer)\s+([^\s"',;\\]{8,})/gi, (whole, word: string, key: string) =>
      placeholder.test(key) ? whole : `${word} ***`,
    )
    .replaceAll(otherAuthorization, (whole, header: string, scheme: string, key: string) =>
      placeholder.test(key) ? whole : `${header}${scheme}***`,
    );
}

const suspicious = /corral_|hf_|api-key|bearer|authorization/i;

/** The header with another scheme or the bare key. */
const otherAuthorization =
  /\b(authorization["']?\s*[:=]\s*["']?)(?!api-key\b|bearer\b)((?:basic|digest|token)\s+|)([^\s"',;\\]{8,})/gi;

/** A word for a key, in capitals as documents write it, with what may stand around it. */
const placeholder = /^[<${]*[A-Z_]+[>})`.:!?]*$/;

/** An error as one JSON value, for the border between two processes. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  readonly retry_after_seconds?: number;
}

export function errorBody(error: ServingError): ErrorBody {
  return {
    code: error.code,
    detail: error.message,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
    ...(error.retryAfterSeconds === null ? {} : { retry_after_seconds: error.retryAfterSeconds }),
  };
}

/** Problem details (RFC 9457) with our `code` and, for bad fields, `errors`. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance?: string;
  readonly code: ErrorCode;
  readonly errors?: readonly FieldError[];
}

export function problemDetails(error: ServingError, instance?: string): ProblemDetails {
  const definition = errorTable[error.code];
  return {
    type: `urn:corral:error:${error.code}`,
    title: definition.title,
    status: definition.status,
    detail: error.message,
    ...(instance === undefined ? {} : { instance }),
    code: error.code,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
  };
}
