// Where the process that runs a model's code plugs in. For Corral's own hosts; author code imports the other door.

import type { CallContext } from "./model.ts";

export interface Host {
  /** One of `llm.*`; `body` and the answer are JSON. Fails with an error that has the `code` of the error table. */
  callLlm(method: string, body: unknown, deployment?: string): Promise<unknown>;
  /** The chunks, as JSON. To leave the loop early cancels the call. */
  streamLlm(method: string, body: unknown, deployment?: string): AsyncIterable<unknown>;
  log(level: "debug" | "info" | "warn" | "error", message: string): void;
  secret(name: string): string | undefined;
  /** The call in whose course it is asked; null: none. */
  currentCall(): CallContext | null;
}

let connected: Host | null = null;

export function connectHost(host: Host): void {
  connected = host;
}

/** Fails where the code does not run under Corral. */
export function host(): Host {
  if (connected === null) {
    throw new Error(
      "@corral/model works in a model that Corral runs; here nothing is behind it. Use `corral push`.",
    );
  }
  return connected;
}
