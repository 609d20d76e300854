// A call whose deployment is known → one of its replicas, and the answer back. Knows no route and no body.

import { ServingError, type Dialect, type RunError } from "@corral/contract";
import type { EgressRules } from "@corral/weights";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { LiveReplica } from "../replica/live-replica.ts";
import type { AddressBook, AddressedDeployment, Addresses } from "./address-book.ts";
import { answerError, principalOf } from "./answer-error.ts";
import { answerOnce, idempotencyKeyOf, type IdempotentCalls, type OnceOptions } from "./answer-once.ts";
import { requireModel } from "./guard.ts";
import { headersForReplica, readRunWishes } from "./predict-call.ts";
import { proxyCall } from "./proxy.ts";
import { selectReplica } from "./select-replica.ts";
import type { NewTarget } from "../webhook/target.ts";
import type { RunQueue } from "../runs/queue/run-queue.ts";
import { acceptedAnswer, answerQueued, prefersAsync, type QueueWish } from "./queue-call.ts";
import { waitForLoad, type CallLoads } from "./wait-for-load.ts";

export interface PredictServices {
  readonly addresses: AddressBook;
  /** Replicas of a deployment, here and in other platform processes. */
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  /** What calls may name in a project, by deployment. */
  readonly adapterNamesOf: (projectId: string) => Promise<ReadonlyMap<string, readonly string[]>>;
  readonly newRunId: () => string;
  readonly nowMs: () => number;
  readonly loads: CallLoads;
  readonly idempotent: IdempotentCalls;
  /** Where results may be sent: see `webhook/check-webhook-url.ts`. */
  readonly egress: EgressRules;
  readonly queue: Pick<RunQueue, "enqueue" | "expect" | "endUnbegun">;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Addresses that are on their way; null: none are. */
    expected: { readonly projectId: string; readonly addresses: Promise<Addresses> } | null;
  }
  interface FastifyContextConfig {
    /** Whether the route leads to a deployment by name. */
    addressed?: boolean;
  }
}

export interface AddressedCall {
  readonly dialect: Dialect;
  /** Path of the call on the replica, its query included. */
  readonly path: string;
  readonly target: AddressedDeployment;
  /** The body where it was read already; else it is passed on as it comes. */
  readonly body?: Buffer;
  /** What the caller sent, where `body` is only part of it: an idempotency key stands for all of it. */
  readonly digestBody?: Buffer;
  /** Whether it is kept and found by an id; default true. */
  readonly isRun?: boolean;
  /** Default `POST`. */
  readonly method?: string;
  /** Its answer is the model's own, and its code sees the caller's own headers; default false. */
  readonly isBare?: boolean;
  /** How many runs of code lead to it; default 0. */
  readonly depth?: number;
  /** It is answered at once and carried out later; default: where the caller's `Prefer` says so. */
  readonly queued?: QueueWish;
  /** Where its result is sent beside the answer; default: nowhere. */
  readonly webhook?: NewTarget;
  /** Whose run it is, where an idempotency key stands for that; default: a new one's. */
  readonly runId?: string;
}

/** Fails while nothing was answered; from then on it answers in every case. */
export async function forwardCall(
  services: PredictServices,
  request: FastifyRequest,
  reply: FastifyReply,
  call: AddressedCall,
): Promise<void> {
  const { replicasOf, newRunId, nowMs, loads } = services;
  const { dialect, path, target, isRun = true, isBare = false, depth = 0 } = call;
  const principal = principalOf(request);
  requireModel(principal, target.modelName);
  const wishes = readRunWishes(request.headers, target);
  const key = isRun && depth === 0 && call.runId === undefined ? idempotencyKeyOf(request.headers) : null;
  if (key !== null) {
    const once: OnceOptions = {
      calls: services.idempotent,
      newRunId,
      forward: (again) => forwardCall(services, request, reply, again),
      accepted: call.queued?.accepted ?? acceptedAnswer,
    };
    return await answerOnce(once, request, reply, call, key);
  }
  const { webhook } = call;
  const wished = webhook === undefined ? {} : { webhook };
  const wish = call.queued ?? (isRun && depth === 0 && prefersAsync(request.headers) ? wished : null);
  if (wish !== null) return await answerQueued(services, request, reply, checked(call), wish);
  const arrivedMs = nowMs();
  loads.arrived(target.id);
  const runId = call.runId ?? newRunId();
  const answerHeaders = runHeaders(dialect, isRun ? runId : null);
  const ready = selectReplica(await replicasOf(target.id));
  // Its place ends with it, whatever fails: a place that stays keeps the model for good.
  using waited =
    ready === null ? await waitForLoad(services, request, reply, checked(call), answerHeaders) : null;
  const replica = ready ?? waited?.replica;
  // It was answered while it waited.
  if (replica === undefined) return;

  const body = waited?.body ?? call.body;
  if (webhook !== undefined) {
    const { projectId, keyId } = principal;
    const [deploymentId, replicaId, { isStored }] = [target.id, replica.id, wishes];
    const own = { runId, projectId, keyId, dialect, deploymentId, replicaId, isStored, webhook };
    await services.queue.expect(own);
  }
  let refusal: ServingError | null = null;
  let isUnbegun = false;
  reply.hijack();
  const answered = proxyCall({
    request: request.raw,
    response: reply.raw,
    upstream: replica.upstream,
    path,
    headers: headersForReplica(request.headers, {
      runId,
      dialect,
      principal,
      target: { modelId: target.modelId, deploymentId: target.id },
      token: replica.token,
      nowMs: arrivedMs,
      loadMs: waited?.loadMs ?? 0,
      isOwnRequest: isBare,
      isBare,
      depth,
      ...wishes,
      // Its delivery needs the output, and takes it out of the row.
      isStored: wishes.isStored || webhook !== undefined,
      keepsAnswer: call.runId !== undefined,
      keepsOutput: webhook !== undefined,
    }),
    ...(call.method === undefined ? {} : { method: call.method }),
    answerHeaders,
    ...(body === undefined ? {} : { body }),
    opened: waited?.opened ?? null,
    refuse: (error) => {
      refusal = error;
      answerError(request, reply, error, isRun ? runId : null);
    },
    onUnbegun: () => (isUnbegun = true),
  });
  // It is in flight from here on, which keeps the model as its place did.
  waited?.[Symbol.dispose]();
  await answered;
  loads.ended(target.id);
  if (webhook === undefined) return;
  const status = reply.raw.statusCode;
  // A caller that left before its body was whole left before its replica could begin.
  if (
    isUnbegun ||
    cannotBegin(refusal, status, wishes.outlivesCaller && (call.body !== undefined || request.raw.complete))
  )
    await endUnbegun(services, request, runId, refusal, status);
}

/**
 * Whether its replica cannot have it any more, where that does not say so itself. A run that may have begun, and goes on, is ended by its replica's reports,
 * by the end of its replica, or by the queue's sweep: `503` may be the answer to one whose start is still to be written.
 */
function cannotBegin(refusal: ServingError | null, status: number, goesOn: boolean): boolean {
  if (refusal === null) return status !== 503;
  return refusal.code === "client_closed" ? !goesOn : refusal.code !== "replica_lost";
}

/** Its replica refused it before it began, or its caller left before that: nobody else says how it ended. */
async function endUnbegun(
  { queue }: PredictServices,
  request: FastifyRequest,
  runId: string,
  refusal: ServingError | null,
  status: number,
): Promise<void> {
  const detail = `The call was answered ${status} before the model began.`;
  const error: RunError = { code: status < 500 ? "invalid_parameter" : "deployment_not_ready", detail };
  const known = refusal === null ? error : { code: refusal.code, detail: refusal.message };
  await queue.endUnbegun(runId, known).catch((cause: unknown) => {
    request.log.warn({ err: String(cause), run: runId }, "the end of a refused run is not written");
  });
}

/** By which the caller finds the run again; Baseten's clients read a header of their own. */
export function runHeaders(dialect: Dialect, runId: string | null): Record<string, string> {
  if (runId === null) return {};
  return { "x-corral-run-id": runId, ...(dialect === "baseten" ? { "x-baseten-request-id": runId } : {}) };
}

/** Those that were asked for while the key was looked up, where the key turned out to be of that project. */
export function addressesOf(request: FastifyRequest, book: AddressBook): Promise<Addresses> {
  const { projectId } = principalOf(request);
  const { expected } = request;
  return expected?.projectId === projectId ? expected.addresses : book.open(projectId);
}

/** To be called before it is known who calls: the answer counts only for a caller of that project. */
export function expectProject(request: FastifyRequest, book: AddressBook, projectId: string): void {
  if (request.routeOptions.config.addressed !== true) return;
  const addresses = book.open(projectId);
  // Whoever is refused never waits for it.
  addresses.catch(() => {});
  request.expected = { projectId, addresses };
}

/** `?a=b` of a request target, or "". */
export function queryOf(target = ""): string {
  const at = target.indexOf("?");
  return at === -1 ? "" : target.slice(at);
}

/** Fails where waiting is in vain. */
function checked(call: AddressedCall): AddressedCall {
  const { name, status, statusDetail } = call.target;
  if (status !== "failed") return call;
  throw new ServingError(
    "deployment_failed",
    `Deployment ${name} cannot start. ${statusDetail ?? ""}`.trim(),
  );
}
