// One call in the worker: the body read and checked, preprocess, predict and postprocess in their order, the answer sent.

import { formType, mediaType } from "@corral/contract";
import { HttpError, type CallContext } from "@corral/model";
import type { CallMessage, CodeMethod, ErrorMessage, StartMessage } from "../protocol.ts";
import { createAuthorSocket, type AuthorSocket } from "./author-socket.ts";
import { Cancellation } from "./cancellation.ts";
import type { Channel } from "./channel.ts";
import { duringCall } from "./current-call.ts";
import type { AuthorModel } from "./load-model.ts";
import { createSemaphore } from "./semaphore.ts";
import { AnswerTooLarge, isStatus, isStream, sendAnswer, Unserialisable } from "./send-answer.ts";
import type { Tracebacks } from "./traceback.ts";

export interface CallRunner {
  begin(message: CallMessage, body: Buffer): void;
  cancel(id: number): void;
  setPaused(id: number, paused: boolean): void;
  /** Of a websocket. */
  input(id: number, data: Buffer, isText: boolean): void;
  inputEnd(id: number, closeCode: number): void;
  /** Resolves when no call runs. */
  allEnded(): Promise<void>;
}

export interface CallRunnerOptions {
  readonly channel: Channel;
  readonly model: AuthorModel;
  readonly start: StartMessage;
  readonly tracebacks: Tracebacks;
}

/** In characters; the names of fields may be a caller's. */
const longestMessage = 8_000;
const longestField = 500;

/** A failure whose words are for the caller. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly reason: ErrorMessage["reason"];
  readonly errors: ErrorMessage["errors"];

  constructor(reason: ErrorMessage["reason"], message: string, errors?: ErrorMessage["errors"]) {
    super(message);
    this.reason = reason;
    this.errors = errors;
  }
}

interface RunningCall {
  readonly id: number;
  readonly cancellation: Cancellation;
  resumed: PromiseWithResolvers<void> | null;
  /** Null: it is no websocket. */
  readonly socket: AuthorSocket | null;
}

export function createCallRunner({ channel, model, start, tracebacks }: CallRunnerOptions): CallRunner {
  const running = new Map<number, RunningCall>();
  const semaphore = createSemaphore(start.predict_concurrency);
  let idle: (() => void) | null = null;

  async function run(call: RunningCall, message: CallMessage, body: Buffer): Promise<void> {
    const { id, cancellation } = call;
    const { method } = message;
    const context: CallContext = {
      runId: message.run_id,
      get signal() {
        return cancellation.signal;
      },
      request: {
        method: message.request.method,
        url: message.request.url,
        // Made when somebody looks: most code does not.
        get headers() {
          return new Headers(message.request.headers.map(([name, value]) => [name, value]));
        },
        body,
      },
    };
    try {
      await duringCall({ id, context }, () => carryOut(call, message, body, context));
    } catch (error) {
      if (cancellation.isCanceled)
        channel.send({ kind: "error", id, reason: "canceled", message: "The call was canceled." });
      else sendFailure(id, error, method);
    } finally {
      running.delete(id);
      if (running.size === 0) idle?.();
    }
  }

  async function carryOut(
    call: RunningCall,
    message: CallMessage,
    body: Buffer,
    context: CallContext,
  ): Promise<void> {
    const { method } = message;
    // What came together with this call is told first: code may keep the loop, or end the process.
    if (method !== "predict" || model.input !== null || model.preprocess !== null) await Promise.resolve();
    const code = model.methods.get(method);
    if (code === undefined)
      throw new Refusal("no_method", `\`${method}\` must only be called if model has it.`);
    if (method === "is_healthy") return await send(call, message, (await code(undefined, context)) !== false);
    if (call.socket !== null) {
      await code(call.socket.socket, context);
      return call.socket.end();
    }
    // A server reads for itself.
    if (method === "http") return await send(call, message, await code(undefined, context));
    const input = readBody(body, contentTypeOf(message.request.headers));
    if (method !== "predict") return await send(call, message, await code(input, context));
    const checked = model.input === null ? input : await checkInput(model.input, input);
    const prepared = model.preprocess === null ? checked : await model.preprocess(checked, context);
    await take(call, model.preprocess === null);
    let isHeld = true;
    const release = () => {
      if (isHeld) semaphore.release();
      isHeld = false;
    };
    try {
      const output = await code(prepared, context);
      if (isStream(output)) {
        if (model.postprocess !== null) {
          throw new TypeError("postprocess cannot be used when predict streams or returns a Response.");
        }
        // The place is free when the code has made its last piece.
        return await send(call, message, output);
      }
      // Sent before its place is free: what runs next may keep the loop for long.
      if (model.postprocess === null) return await send(call, message, await checkOutput(output));
      release();
      const processed = await model.postprocess(output, context);
      await send(call, message, await checkOutput(processed));
    } finally {
      release();
    }
  }

  /** @param isUnbegun none of the author's code has run for the call */
  async function take({ id, cancellation }: RunningCall, isUnbegun: boolean): Promise<void> {
    if (semaphore.tryAcquire()) return;
    if (isUnbegun) channel.send({ kind: "waiting", id });
    if (!(await semaphore.acquire(cancellation)))
      throw new Refusal("canceled", "The call was canceled while it waited.");
    if (isUnbegun) channel.send({ kind: "begun", id });
  }

  async function checkOutput(value: unknown): Promise<unknown> {
    if (model.output === null || value instanceof Response || isStream(value)) return value;
    const parsed = await model.output.safeParseAsync(value);
    if (parsed.success) return parsed.data;
    throw new TypeError(
      `What the code answered does not fit its output schema: ${describe(parsed.error.issues)}`,
    );
  }

  function send(call: RunningCall, message: CallMessage, value: unknown): Promise<void> {
    return sendAnswer(channel, value, {
      id: call.id,
      answerBytes: start.answer_bytes,
      cancellation: call.cancellation,
      collects: collectsStreams(message.request.headers),
      resumed: () => call.resumed?.promise ?? null,
    });
  }

  function sendFailure(id: number, error: unknown, method: CodeMethod): void {
    try {
      channel.send({ kind: "error", id, ...failureOf(error, method) });
    } catch {
      // It is over the limit of a message, or throws when it is read.
      const message = `${method}: what the code threw cannot be told.`;
      channel.send({ kind: "error", id, reason: "exception", message });
    }
  }

  function failureOf(error: unknown, method: CodeMethod): Omit<ErrorMessage, "kind" | "id"> {
    if (error instanceof Refusal) {
      const { reason, errors } = error;
      const message = error.message.slice(0, longestMessage);
      return { reason, message, ...(errors === undefined ? {} : { errors }) };
    }
    if (error instanceof HttpError && isStatus(error.status)) {
      const { status, detail } = error;
      const message = error.message.slice(0, longestMessage);
      return { reason: "http", message, status, detail, traceback: tracebacks.of(error) };
    }
    if (error instanceof AnswerTooLarge) return { reason: "too_large", message: error.message };
    if (error instanceof Unserialisable) {
      const message = error.message.slice(0, longestMessage);
      return { reason: "unserialisable", message, traceback: tracebacks.of(error.cause) };
    }
    return { reason: "exception", message: `${method}: ${oneLine(error)}`, traceback: tracebacks.of(error) };
  }

  return {
    begin(message, body) {
      const { id, method } = message;
      const resumed = () => call.resumed?.promise ?? null;
      const isSocket = method === "websocket" && model.methods.has(method);
      const { acceptsSockets: isAcceptedByCode } = model;
      const socket = isSocket ? createAuthorSocket({ channel, id, resumed, isAcceptedByCode }) : null;
      const call: RunningCall = { id, cancellation: new Cancellation(), resumed: null, socket };
      running.set(id, call);
      void run(call, message, body);
    },
    cancel: (id) => running.get(id)?.cancellation.cancel(),
    setPaused(id, paused) {
      const call = running.get(id);
      if (call === undefined) return;
      if (paused) call.resumed ??= Promise.withResolvers<void>();
      else {
        call.resumed?.resolve();
        call.resumed = null;
      }
    },
    input: (id, data, isText) => running.get(id)?.socket?.take(data, isText),
    inputEnd: (id, closeCode) => running.get(id)?.socket?.takeEnd(closeCode),
    allEnded() {
      if (running.size === 0) return Promise.resolve();
      return new Promise((resolve) => (idle = resolve));
    },
  };
}

/** JSON, but for bytes and texts that say what they are. As in Truss, whatever is called a form is taken for JSON. */
function readBody(body: Buffer, type: string): unknown {
  const isJson = type === "" || type === formType || type === "application/json" || type.endsWith("+json");
  if (!isJson) return type.startsWith("text/") ? body.toString("utf8") : new Uint8Array(body);
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new Refusal("invalid_json", `Invalid JSON payload: ${(error as Error).message}`);
  }
}

async function checkInput(schema: NonNullable<AuthorModel["input"]>, input: unknown): Promise<unknown> {
  const parsed = await schema.safeParseAsync(input);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  throw new Refusal(
    "invalid_input",
    `Input Parsing Error: ${describe(issues)}`,
    issues.slice(0, 100).map(({ path, message }) => ({
      pointer: path
        .map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`)
        .join("")
        .slice(0, longestField),
      code: "invalid_parameter",
      detail: `${path.length === 0 ? "The body" : path.map(String).join(".")}: ${message}`.slice(
        0,
        longestField,
      ),
    })),
  );
}

function contentTypeOf(headers: CallMessage["request"]["headers"]): string {
  return mediaType(headers.find(([name]) => name === "content-type")?.[1]);
}

function describe(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): string {
  return issues
    .slice(0, 20)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`))
    .join("; ");
}

/** Clients that ask for JSON get what a generator makes as one text; OpenAI's say so and stream all the same. */
function collectsStreams(headers: CallMessage["request"]["headers"]): boolean {
  const find = (wanted: string) => headers.find(([name]) => name === wanted)?.[1]?.toLowerCase() ?? "";
  return find("accept").includes("application/json") && !find("user-agent").includes("openai");
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`;
  return (text.split("\n", 1)[0] ?? "").slice(0, 500);
}
