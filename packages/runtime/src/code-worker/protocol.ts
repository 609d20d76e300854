// Every message between a replica and its code worker. Language-neutral: a worker in any language needs this file and
// `frames.ts` only. Pure; knows no process and no socket.
//
// The stream. The replica starts the worker with a connected stream socket as file descriptor 3; both read and write
// it. Each message is one frame. Standard output and error of the worker are the author's: their lines become log
// lines without a run. Nothing else is inherited, and the worker must keep descriptor 3 from its children.
//
// The life of a worker.
//   1. replica: `start`, once, with everything that the code may know. No other message comes before it.
//   2. worker: `stage` as it goes on, then `loaded`, or `failed` and it ends. After a failure of `load` the worker
//      itself tries again `load_retries` times, a second later each time.
//   3. Calls, in both directions. When the socket closes, the worker ends at once: its replica is gone.
//   4. replica: `shutdown`. The worker finishes what runs, lets `cancel` cut it short, and ends with status 0.
//
// Calls. Either side may call the other: the replica calls the author's methods, the worker calls the replica's `llm`
// methods. Each side numbers its own calls from 1, so a number is unique by direction only. Who made a call sends
// `call`, `input`, `input_end`, `cancel`, `pause` and `resume` with its number; who carries it out sends `waiting`,
// `begun`, `answer`, `chunk`, `end` and `error` with the same number. A call has exactly one end:
//   - `answer` with `stream: false`; its body is the whole answer;
//   - `answer` with `stream: true`, any count of `chunk`, then `end`;
//   - `error`, at any moment before one of those. After an `answer` with `stream: true` it breaks the stream off.
// Messages about a number that has ended are ignored: they have crossed on the way. Those that are out of this order,
// `waiting` after the code has begun among them, break the protocol, which ends the worker.
//
// The whole of preprocess, predict and postprocess is one call; the worker keeps the semaphore of
// `predict_concurrency` around predict. Where a call must wait for it before any of the author's code has run, the worker says `waiting`, and
// `begun` when the code starts: should the worker die, calls that wait are given to its successor, others fail.
//
// `cancel`: nobody wants the answer any more, or the time is over. The worker stops the code as well as its language
// allows and ends the call with `error`, reason `canceled`. One that does not within a grace and answers no `ping` is
// killed, with all its children. One that answers goes on, and the call keeps its place; when such calls have taken every
// place, another worker takes over and this one ends with the last call that somebody wants.
//
// `pause` and `resume`: the reader of a stream is slower than the code. A worker that can, takes no further piece from
// the author's generator in between; what it sends nevertheless counts against the call's limit of output.

import { z } from "zod";

export const protocolVersion = 1;

/** Of the worker's end of the stream. */
export const protocolFileDescriptor = 3;

/** What the replica calls. `is_healthy` answers with a body of `true` or `false`. */
export const codeMethods = [
  "predict",
  "chat_completions",
  "completions",
  "embeddings",
  "messages",
  "responses",
  "websocket",
  "is_healthy",
  /** Any request, as it came: of a server of the author's alone. */
  "http",
] as const;
export type CodeMethod = (typeof codeMethods)[number];

/**
 * What the worker calls. Bodies and answers are JSON in the shapes of Corral's own API: `llm.generate` takes the body of
 * `/generate` and answers `{run_id, run_time_ms, result, usage, warnings}`; `llm.stream` takes the same and sends one
 * chunk `{text, ...}` for each event, the last one `{done: ANSWER}`; `llm.embed` takes the body of `/embeddings`;
 * `llm.tokenize`, `llm.detokenize` and `llm.render` those of the calls of these names. `llm.predict` calls another
 * deployment, whose code takes any JSON value, and is answered as `llm.generate`.
 */
export const llmMethods = [
  "llm.generate",
  "llm.stream",
  "llm.embed",
  "llm.tokenize",
  "llm.detokenize",
  "llm.render",
  "llm.predict",
] as const;
export type LlmMethod = (typeof llmMethods)[number];

/**
 * Why a call failed, beside the text that is for the log.
 * - `exception`: the author's code threw, or answered with a status outside of 200 to 599 or a header that cannot be sent; `traceback` says where. The caller is told nothing of it.
 * - `http`: the author's code chose `status` and `detail` (HTTPException).
 * - `invalid_json`, `invalid_input`: the body could not be read, or is not what the code declares; `message` is for
 *   the caller, `errors` where it is known which fields.
 * - `unserialisable`: the code returned what JSON cannot hold.
 * - `no_method`: the code has no method of this name.
 * - `too_large`: the answer is over `answer_bytes`.
 * - `canceled`: after `cancel`.
 * - `refused`: of `llm` calls: `code` of the error table, `message` for whoever wrote the code.
 */
export const errorReasons = [
  "exception",
  "http",
  "invalid_json",
  "invalid_input",
  "unserialisable",
  "no_method",
  "too_large",
  "canceled",
  "refused",
] as const;
export type ErrorReason = (typeof errorReasons)[number];

/** What the connection to the caller decides; a worker's own are left out. */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const number = z.int().min(1);
/** Those that can be sent; the rest of a response would be lost with one that cannot. */
const headers = z
  .array(
    z.tuple([
      z
        .string()
        .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, "no name of a header")
        .toLowerCase(),
      z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "no value of a header"),
    ]),
  )
  .transform((pairs) => pairs.filter(([name]) => !connectionHeaders.has(name)));
/** Of an answer: 1xx is no end of one. */
const status = z.int().min(200).max(599);

/** `body`: the answer, or of a stream nothing. */
const answer = z.object({
  kind: z.literal("answer"),
  id: number,
  status,
  /** Lower-case names; `content-type` always among them where there is a body. */
  headers,
  stream: z.boolean(),
  /** The code returned a response of its own instead of a value. */
  is_response: z.boolean().optional(),
});

/** `body`: a piece of the answer. `text`: of a websocket, whether the message is text. */
const chunk = z.object({ kind: z.literal("chunk"), id: number, text: z.boolean().optional() });

/** `close_code`, `reason`: of a websocket. */
const end = z.object({
  kind: z.literal("end"),
  id: number,
  close_code: z.int().min(1000).max(4999).optional(),
  reason: z.string().optional(),
});

const error = z.object({
  kind: z.literal("error"),
  id: number,
  reason: z.enum(errorReasons),
  /** One line. */
  message: z.string(),
  /** The file positions in it are those of the author's files; at most 64 KiB. */
  traceback: z.string().optional(),
  status: status.optional(),
  detail: z.unknown().optional(),
  headers: headers.optional(),
  code: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })).optional(),
});

const waiting = z.object({ kind: z.literal("waiting"), id: number });
const begun = z.object({ kind: z.literal("begun"), id: number });

const stage = z.object({
  kind: z.literal("stage"),
  /** Reading the code, making the model, its `setup_environment`, its `load`. */
  stage: z.enum(["import", "construct", "setup_environment", "load"]),
});

const schemas = z.object({
  /** JSON schema; null: the code declares none. */
  input: z.record(z.string(), z.unknown()).nullable(),
  output: z.record(z.string(), z.unknown()).nullable(),
  /** Null: the code does not say. */
  supports_streaming: z.boolean().nullable(),
});

const loaded = z.object({
  kind: z.literal("loaded"),
  /** Those that the code has. */
  methods: z.array(z.enum(codeMethods)),
  schemas: schemas.nullable(),
  /** Of the author's `load` alone. */
  load_ms: z.number().min(0),
  /** What the author should know: an older spelling, a Python newer than asked for. */
  warnings: z.array(z.string()),
});

const failed = z.object({
  kind: z.literal("failed"),
  /** `definition`: the code was read, and has not what a model must have. */
  stage: z.enum(["import", "definition", "construct", "setup_environment", "load"]),
  message: z.string(),
  traceback: z.string().optional(),
  /** Of the bundle, where the failure has a place; `line` from 1. */
  file: z.string().optional(),
  line: z.int().min(1).optional(),
});

const log = z.object({
  kind: z.literal("log"),
  level: z.enum(["debug", "info", "warn", "error"]),
  message: z.string(),
  run_id: z.string().max(200).nullable(),
});

/** Answers `ping`, from the loop that runs the author's async code: one that is late is blocked. */
const pong = z.object({ kind: z.literal("pong"), number: z.int() });

/** Answer to `reload`: the new code serves, with the old object's state. */
const reloaded = z.object({
  kind: z.literal("reloaded"),
  methods: z.array(z.enum(codeMethods)),
  schemas: schemas.nullable(),
});

/** Answer to `reload`: the old code still serves. */
const reloadFailed = z.object({
  kind: z.literal("reload_failed"),
  message: z.string(),
  traceback: z.string().optional(),
  file: z.string().optional(),
  line: z.int().min(1).optional(),
  /** Nothing is wrong with the code, but the object cannot take it: what makes or loads it changed. */
  needs_load: z.boolean().optional(),
});

/** `body`: JSON. The run of the replica's call pays for it. */
const llmCall = z.object({
  kind: z.literal("call"),
  id: number,
  method: z.enum(llmMethods),
  /** The replica's call during which the code calls; null: none, as in `load`. */
  during: number.nullable(),
  /** Name of another deployment; absent: this replica's own model. */
  deployment: z.string().optional(),
});
const cancel = z.object({ kind: z.literal("cancel"), id: number });
const pause = z.object({ kind: z.literal("pause"), id: number });
const resume = z.object({ kind: z.literal("resume"), id: number });

/** From the worker. The code is not trusted, so every message is checked. */
export const workerMessageSchema = z.discriminatedUnion("kind", [
  answer,
  chunk,
  end,
  error,
  waiting,
  begun,
  stage,
  loaded,
  failed,
  log,
  pong,
  reloaded,
  reloadFailed,
  llmCall,
  cancel,
  pause,
  resume,
]);
export const workerKinds: readonly WorkerMessage["kind"][] = workerMessageSchema.options.map(
  ({ shape }) => shape.kind.value,
);
export type WorkerMessage = z.infer<typeof workerMessageSchema>;
export type AnswerMessage = z.infer<typeof answer>;
export type ErrorMessage = z.infer<typeof error>;
export type LoadedMessage = z.infer<typeof loaded>;
export type FailedMessage = z.infer<typeof failed>;
export type LlmCallMessage = z.infer<typeof llmCall>;
export type CodeSchemas = z.infer<typeof schemas>;

export interface StartMessage {
  readonly kind: "start";
  readonly protocol: typeof protocolVersion;
  /** Absolute; the bundle's files, which the worker may read. Also the working directory. */
  readonly directory: string;
  /** Of the bundle: the file to run. */
  readonly file: string;
  /** Absent: for TypeScript, the exports decide. */
  readonly class_name?: string;
  /** Absolute; may not exist. */
  readonly data_directory: string;
  /** Absolute; put before everything else on Python's path. */
  readonly packages_directory: string;
  /** The config as the author wrote it, with Truss's defaults filled in: the `config` of the constructor. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Those that the config declares and the platform has; never in the environment. */
  readonly secrets: Readonly<Record<string, string>>;
  /** `{name}` of the environment that the deployment is promoted to, or null. */
  readonly environment: Readonly<Record<string, unknown>> | null;
  readonly predict_concurrency: number;
  /** After a first failure of `load`. */
  readonly load_retries: number;
  /** The replica has a model: `llm` works. */
  readonly has_llm: boolean;
  /** Most bytes of one answer, streams included. */
  readonly answer_bytes: number;
  /** The code was loaded before in this replica: what `load` does is done again. */
  readonly is_restart: boolean;
}

/** `body`: the request's, byte for byte. */
export interface CallMessage {
  readonly kind: "call";
  readonly id: number;
  readonly method: CodeMethod;
  readonly run_id: string;
  /** What came in, for code that asks for its request. Lower-case names; no credentials among the headers. */
  readonly request: {
    readonly method: string;
    /** Path and query. */
    readonly url: string;
    readonly headers: readonly (readonly [string, string])[];
  };
  /** From now; after it the replica cancels. Null: no limit. */
  readonly timeout_ms: number | null;
}

/** The files have changed: take the new code and keep the object's state, or refuse. */
export interface ReloadMessage {
  readonly kind: "reload";
  /** Absolute, where the files are now; with it the packages in them. Absent: where they were. */
  readonly directory?: string;
  readonly packages_directory?: string;
}

/** From the replica, which the worker trusts. */
export type ReplicaMessage =
  | StartMessage
  | CallMessage
  /** `body`: a message of a websocket. */
  | { readonly kind: "input"; readonly id: number; readonly text: boolean }
  | { readonly kind: "input_end"; readonly id: number; readonly close_code: number }
  | { readonly kind: "cancel" | "pause" | "resume"; readonly id: number }
  /** Of the worker's own `llm` calls. */
  | AnswerMessage
  | z.infer<typeof chunk>
  | z.infer<typeof end>
  | ErrorMessage
  | { readonly kind: "ping"; readonly number: number }
  /**
   * The environment that the deployment is promoted to has changed: `setup_environment` is called, as in Truss unless it is
   * null or the one that it was called with last.
   */
  | { readonly kind: "environment"; readonly environment: Readonly<Record<string, unknown>> | null }
  | ReloadMessage
  | { readonly kind: "shutdown" };

/** A message and the bytes that came with it. */
export interface Received<Message> {
  readonly message: Message;
  readonly body: Buffer;
}
