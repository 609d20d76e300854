// A call whose model is not in memory waits here until it is: streams of events with comments, the others for a bounded
// time. Who leaves gives its place up at once. Knows neither what is loaded when nor what a body means.

import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { LiveReplica } from "../replica/live-replica.ts";
import type { LoadPlace } from "../residency/place.ts";
import type { AddressedDeployment } from "./address-book.ts";
import type { AddressedCall, PredictServices } from "./forward-call.ts";
import { asksForEvents, openStream, type OpenedStream } from "./opened-stream.ts";
import { callLimitMs } from "./predict-call.ts";
import { lengthOf, smallBodyBytes } from "./proxy.ts";
import { readBody } from "./read-body.ts";
import { selectReplica } from "./select-replica.ts";

/** Models that calls wait for. */
export interface CallLoads {
  /** To be called for each call as it comes. */
  arrived(deploymentId: string): void;
  /** To be called after each answer. */
  ended(deploymentId: string): void;
  /** A place among those who wait. Fails with what the caller is told. */
  wait(target: AddressedDeployment, heldBytes: number): LoadPlace;
  /** How long a call waits that is no stream of events. */
  readonly waitMs: number;
  /** Between two comments of a stream that waits. */
  readonly pingMs: number;
}

export interface WaitedCall extends Disposable {
  readonly replica: LiveReplica;
  /** Where it was read meanwhile. */
  readonly body?: Buffer;
  readonly loadMs: number;
  /** Null: nothing of an answer was sent. */
  readonly opened: OpenedStream | null;
}

const lookAgainMs = 20;
/** A caller who was told to come back has this time to do so. */
const returnMs = 10_000;

/**
 * Its place is kept until the result is disposed, so that the model stays until the call is on its way. Null: the caller
 * was answered, in a stream that had begun. Fails while nothing was answered.
 */
export async function waitForLoad(
  services: Pick<PredictServices, "loads" | "replicasOf" | "nowMs">,
  request: FastifyRequest,
  reply: FastifyReply,
  call: AddressedCall,
  answerHeaders: Readonly<Record<string, string>>,
): Promise<WaitedCall | null> {
  const { loads, nowMs } = services;
  const { raw: response } = reply;
  const since = nowMs();
  const over = new AbortController();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const left = () => failure.reject(new ServingError("client_closed", "The caller closed the connection."));
  response.once("close", left);
  if (response.destroyed) left();

  const held = new DisposableStack();
  let opened: OpenedStream | null = null;
  let bound: NodeJS.Timeout | undefined;
  try {
    const heldBytes = call.body?.length ?? Math.min(lengthOf(request.raw), smallBodyBytes);
    let place = held.use(loads.wait(call.target, heldBytes));
    const tooLong = () => {
      const seconds = place.retryAfterSeconds();
      place.keepWish(seconds * 1000 + returnMs);
      failure.reject(loading(call.target, seconds));
    };
    bound = setTimeout(tooLong, loads.waitMs);
    const body = readSmall(request, call);
    void body.then((bytes) => {
      if (over.signal.aborted || bytes === undefined || !mayStream(call)) return;
      if (!asksForEvents(call.dialect, request.headers.accept, bytes)) return;
      clearTimeout(bound);
      const open = () => {
        reply.hijack();
        opened = openStream(response, call.dialect, answerHeaders, {
          pingMs: loads.pingMs,
          signal: over.signal,
        });
        const late = () =>
          failure.reject(new ServingError("timeout", "The model took too long to be loaded."));
        bound = setTimeout(late, since + callLimitMs - nowMs());
      };
      bound = setTimeout(open, loads.pingMs);
    }, failure.reject);

    for (;;) {
      await Promise.race([place.loaded(), failure.promise]);
      const bytes = await Promise.race([body, failure.promise]);
      const replica = selectReplica(await services.replicasOf(call.target.id));
      if (replica !== null) {
        over.abort();
        const kept = held.move();
        return {
          replica,
          ...(bytes === undefined ? {} : { body: bytes }),
          loadMs: Math.max(1, nowMs() - since),
          opened,
          [Symbol.dispose]: () => kept.dispose(),
        };
      }
      // Another process runs it by now, or it ended in this very moment.
      await sleep(lookAgainMs);
      place = held.use(loads.wait(call.target, 0));
    }
  } catch (error) {
    // Set by a timer, which the compiler does not see.
    const stream = opened as OpenedStream | null;
    if (stream === null) throw error;
    stream.fail(error as ServingError);
    return null;
  } finally {
    over.abort();
    clearTimeout(bound);
    response.off("close", left);
    held.dispose();
  }
}

/** Undefined: it is too long to be held, and is read once its replica is there. */
async function readSmall(request: FastifyRequest, { body }: AddressedCall): Promise<Buffer | undefined> {
  if (body !== undefined || lengthOf(request.raw) > smallBodyBytes) return body;
  return await readBody(request.raw);
}

function mayStream({ dialect, path }: AddressedCall): boolean {
  return dialect === "openai" || path.startsWith("/predict");
}

function loading({ name }: AddressedDeployment, seconds: number): ServingError {
  return new ServingError(
    "model_loading",
    `Deployment ${name} is being loaded; it will probably answer in ${seconds} seconds.`,
    { retryAfterSeconds: seconds },
  );
}
