// A call with an `Idempotency-Key`: carried out once, and answered again from the record of that. Knows no route.

import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isTerminal } from "../runs/run-state.ts";
import {
  claimKey,
  readKey,
  renewKey,
  settleKey,
  takeOverKey,
  type HeldKey,
  type KeyClaim,
} from "../store/idempotency.ts";
import type { Store } from "../store/store.ts";
import { principalOf } from "./answer-error.ts";
import type { AddressedCall } from "./forward-call.ts";
import { readRunWishes } from "./predict-call.ts";
import { readBody } from "./read-body.ts";

export interface IdempotentCalls {
  readonly store: Pick<Store, "db" | "pool">;
  readonly platformId: string;
  /** How long the same call waits for the first one. */
  readonly waitMs: number;
}

export interface OnceOptions {
  readonly calls: IdempotentCalls;
  readonly newRunId: () => string;
  /** Carries it out as the run of that id. */
  readonly forward: (call: AddressedCall & { readonly runId: string }) => Promise<void>;
  /** The answer to an asynchronous call whose run is there. */
  readonly accepted: (runId: string) => {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body: unknown;
  };
}

const lookAgainMs = 200;
const renewEveryMs = 10_000;
const yieldMs = 1_000;
const longestKey = 255;

/** Null: the call has none. Fails with `invalid_parameter`. */
export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | null {
  const given = headers["idempotency-key"];
  if (given === undefined) return null;
  const key = String(given).trim();
  if (/^[\x20-\x7e]+$/.test(key) && key.length <= longestKey) return key;
  throw new ServingError(
    "invalid_parameter",
    `The header Idempotency-Key has ${key.length} characters; send 1 to ${longestKey} printable ones of ASCII, such as a UUID.`,
  );
}

/**
 * Fails with `idempotency_key_reused` where the key stands for another call, and with `idempotency_key_in_use` where the
 * first one takes too long. Until then the same call waits: a caller that lost its connection need not know what became
 * of the first, and gets its answer.
 */
export async function answerOnce(
  { calls, newRunId, forward, accepted }: OnceOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  call: AddressedCall,
  key: string,
): Promise<void> {
  const { isStored, storesIfAsked, outlivesCaller } = readRunWishes(request.headers, call.target);
  if (!isStored) throw notKept(storesIfAsked);
  const body = call.body ?? (await readBody(request.raw));
  const { projectId, keyId } = principalOf(request);
  const { store, platformId } = calls;
  const claim: KeyClaim = {
    projectId,
    keyId: keyId ?? "",
    key,
    digest: digestOf(request, call, call.digestBody ?? body),
    runId: newRunId(),
    platformId,
  };
  const held = await claimOrWait(calls, claim, reply);
  if (held !== null) {
    await replay(reply, held, accepted);
    return;
  }
  const renewal = setInterval(
    () => void renewKey(store, claim, claim.runId).catch(() => undefined),
    renewEveryMs,
  );
  try {
    await forward({ ...call, body, runId: claim.runId });
  } finally {
    clearInterval(renewal);
    // Its run may go on, and be written down only after this: the key is free once nobody has renewed it for a while.
    const goesOn = outlivesCaller && reply.raw.destroyed && !reply.raw.writableFinished;
    if (!goesOn)
      await settleKey(store, claim, claim.runId).catch((error: unknown) =>
        request.log.warn({ err: String(error) }, "an idempotency key stays until it is looked at again"),
      );
  }
}

/** Null: the key is the call's own now. Else what is to be answered again. */
async function claimOrWait(
  { store, waitMs }: IdempotentCalls,
  claim: KeyClaim,
  reply: FastifyReply,
): Promise<HeldKey | null> {
  for (let leftMs = waitMs; ; leftMs -= lookAgainMs) {
    if (await claimKey(store, claim)) return null;
    const held = await readKey(store, claim);
    if (held !== null) {
      const isOver = held.status === null ? !held.leased : isTerminal(held.status);
      // Who waited for it asked for what somebody has put an end to; who comes later asks anew.
      const isEnded = held.status === "canceled" && held.cancel_requested_at !== null;
      if (isEnded && leftMs < waitMs) throw new ServingError("aborted", "The run was canceled.");
      const isFree = isOver && held.status !== "succeeded" && held.asynchronous !== true;
      if (isFree && (await takeOverKey(store, claim, held.run_id))) return null;
      // One that was refused gives its key up a moment after its answer.
      const mayYield = held.status === null && waitMs - leftMs < yieldMs;
      if (!isFree && !mayYield && !held.digest.equals(claim.digest)) throw reused(claim.key);
      if (held.answer_status !== null || held.asynchronous === true) return held;
      if (held.status === "succeeded") throw tooLong(held.run_id);
    }
    if (reply.raw.destroyed) throw new ServingError("client_closed", "The caller closed the connection.");
    if (leftMs <= 0) throw inUse(claim.key);
    await sleep(lookAgainMs);
  }
}

async function replay(reply: FastifyReply, held: HeldKey, accepted: OnceOptions["accepted"]): Promise<void> {
  const replayed = { "idempotent-replayed": "true", "x-corral-run-id": held.run_id };
  if (held.answer_status === null) {
    const { status, headers = {}, body } = accepted(held.run_id);
    await reply
      .code(status)
      .headers({ ...headers, ...replayed })
      .send(body);
    return;
  }
  reply.hijack();
  reply.raw.writeHead(held.answer_status, {
    "content-type": held.content_type ?? "application/json",
    "content-length": held.body?.length ?? 0,
    ...replayed,
  });
  reply.raw.end(held.body);
}

/** What was asked: where, in which form, and of what. */
function digestOf({ raw, headers }: FastifyRequest, { target }: AddressedCall, body: Buffer): Buffer {
  const form = (headers.accept ?? "").toLowerCase().includes("text/event-stream");
  return createHash("sha256")
    .update(JSON.stringify([raw.method, raw.url, target.modelId, headers["content-type"] ?? "", form]))
    .update(body)
    .digest();
}

function reused(key: string): ServingError {
  return new ServingError(
    "idempotency_key_reused",
    `The Idempotency-Key ${JSON.stringify(key)} stands for another call: path, media type or body differ. Send a new key.`,
  );
}

function inUse(key: string): ServingError {
  return new ServingError(
    "idempotency_key_in_use",
    `The first call with the Idempotency-Key ${JSON.stringify(key)} is still being carried out; send it again later.`,
    { retryAfterSeconds: 5 },
  );
}

function tooLong(runId: string): ServingError {
  return new ServingError(
    "conflict",
    `The call was carried out as run ${runId}, but its answer was not kept: it is too long, or was called with store: false. Read the run, or send a new Idempotency-Key.`,
  );
}

function notKept(isProjects: boolean): ServingError {
  return new ServingError(
    "invalid_parameter",
    isProjects
      ? "An Idempotency-Key needs the answer to be kept, and the project keeps no outputs; send x-corral-store: true with it, or leave it out."
      : "An Idempotency-Key needs the answer to be kept; leave it out, or x-corral-store: false.",
  );
}
