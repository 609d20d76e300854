// The messages of nearly every call, recognised without their schema, which costs more than the rest of reading one.
// Whatever is not plainly one of them is left to the schema, which says the same of these.

import type { WorkerMessage } from "./protocol.ts";

/** The message as the schema gives it; null: ask the schema. */
export function plainMessage(message: unknown): WorkerMessage | null {
  if (typeof message !== "object" || message === null) return null;
  const { kind, id } = message as { readonly kind?: unknown; readonly id?: unknown };
  if (!Number.isSafeInteger(id) || (id as number) < 1) return null;
  const fieldCount = Object.keys(message).length;
  if (kind === "waiting" || kind === "begun") return fieldCount === 2 ? (message as WorkerMessage) : null;
  return kind === "answer" && fieldCount === 5 && isPlainAnswer(message) ? (message as WorkerMessage) : null;
}

const plainTypes: ReadonlySet<unknown> = new Set(["application/json", "application/octet-stream"]);

function isPlainAnswer(message: object): boolean {
  const { status, stream, headers } = message as Readonly<Record<string, unknown>>;
  if (status !== 200 || typeof stream !== "boolean" || !Array.isArray(headers) || headers.length !== 1)
    return false;
  const [pair] = headers as readonly unknown[];
  return Array.isArray(pair) && pair.length === 2 && pair[0] === "content-type" && plainTypes.has(pair[1]);
}
