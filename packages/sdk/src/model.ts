// What a model's code looks like to its author: the definition, what it is given, and what is around it.

import { host } from "./host.ts";

/** A zod schema, of whichever version 4. */
export interface Schema<Output = unknown> {
  readonly _zod: { readonly output: Output };
}

export interface LoadContext {
  /** The config as written, with Truss's defaults. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Of the bundle's data. */
  readonly dataDirectory: string;
  /** `{name}` of the environment that the deployment is promoted to, or null. */
  readonly environment: Readonly<Record<string, unknown>> | null;
}

export interface IncomingCall {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Headers;
  /** The body, byte for byte. */
  readonly body: Uint8Array;
}

export interface CallContext {
  readonly runId: string;
  /** Aborted when nobody waits for the answer any more, or the call's time is over. */
  readonly signal: AbortSignal;
  readonly request: IncomingCall;
}

/** A text, or bytes. */
export type SocketMessage = string | Uint8Array;

/** To loop over it gives what the caller sends, and ends when the caller closes it or is gone. */
export interface ModelSocket extends AsyncIterable<SocketMessage> {
  /** Waits where the caller reads slowly. Fails with a message of over 100 MiB, and once it is closed. */
  send(data: SocketMessage): Promise<void>;
  /** Without it, it is closed with 1000 when `websocket` returns, and with 1011 when that throws. */
  close(code?: number, reason?: string): void;
  /** With which the caller closed it; 1006: it is gone without a word; null: it is open. */
  readonly closeCode: number | null;
}

type Awaitable<Value> = Value | Promise<Value>;

export interface ModelDefinition<Input, Output> {
  /** Bodies that do not fit are refused before `preprocess`; what comes out of the schema goes in there. */
  readonly input?: Schema<Input>;
  /** A value that does not fit is the code's own mistake: a 500. Pieces of a stream are not checked. */
  readonly output?: Schema<Output>;
  load?(context: LoadContext): Awaitable<void>;
  /** Before `load` where the deployment is in an environment, and whenever it comes into another one: `{name}`. */
  setupEnvironment?(environment: Readonly<Record<string, unknown>>): Awaitable<void>;
  /** Outside the limit of `predict_concurrency`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what predict is given
  preprocess?(input: Input, call: CallContext): Awaitable<any>;
  /** A JSON value, a `Response`, bytes, or a generator, which streams. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what preprocess gives, else the input
  predict(input: any, call: CallContext): unknown;
  /** Beside `predict`, for callers that open a websocket; outside the limit of `predict_concurrency`. */
  websocket?(socket: ModelSocket, call: CallContext): Awaitable<void>;
  /** Outside the limit of `predict_concurrency`; not for streams. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what predict gives
  postprocess?(output: any, call: CallContext): unknown;
}

/** For the types alone: `export default model({ ... })`. */
export function model<Input = unknown, Output = unknown>(
  definition: ModelDefinition<Input, Output>,
): ModelDefinition<Input, Output> {
  return definition;
}

/** Lines in the deployment's log, with the run in whose course they are written. `console` writes there as well. */
export const log = {
  debug: (message: string) => host().log("debug", message),
  info: (message: string) => host().log("info", message),
  warn: (message: string) => host().log("warn", message),
  error: (message: string) => host().log("error", message),
} as const;

export const secrets = {
  /** Fails where the config does not declare it, or the platform does not have it. */
  get(name: string): string {
    const value = host().secret(name);
    if (value !== undefined) return value;
    throw new Error(
      `Secret ${JSON.stringify(name)} is not there: declare it in config.yaml under secrets and set it.`,
    );
  },
  has: (name: string): boolean => host().secret(name) !== undefined,
} as const;
