// A call whose deployment is known → one of its replicas, and the answer back. Knows no route and no body.

import { ServingError, type Dialect } from "@corral/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { LiveReplica } from "../replica/supervisor.ts";
import type { AddressBook, AddressedDeployment, Addresses } from "./address-book.ts";
import { answerError, principalOf } from "./answer-error.ts";
import { requireModel } from "./guard.ts";
import { headersForReplica } from "./predict-call.ts";
import { proxyCall } from "./proxy.ts";
import { selectReplica } from "./select-replica.ts";

export interface PredictServices {
  readonly addresses: AddressBook;
  /** Replicas of a deployment, here and in other platform processes. */
  readonly replicasOf: (deploymentId: string) => Promise<readonly LiveReplica[]>;
  readonly newRunId: () => string;
  readonly nowMs: () => number;
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
  /** Whether it is kept and found by an id; default true. */
  readonly isRun?: boolean;
}

/** Fails while nothing was answered; from then on it answers in every case. */
export async function forwardCall(
  { replicasOf, newRunId, nowMs }: PredictServices,
  request: FastifyRequest,
  reply: FastifyReply,
  { dialect, path, target, body, isRun = true }: AddressedCall,
): Promise<void> {
  const principal = principalOf(request);
  requireModel(principal, target.modelName);
  const replica = selectReplica(await replicasOf(target.id));
  if (replica === null) throw notServing(target);

  const runId = newRunId();
  reply.hijack();
  await proxyCall({
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
      nowMs: nowMs(),
    }),
    answerHeaders: isRun ? { "x-corral-run-id": runId } : {},
    ...(body === undefined ? {} : { body }),
    refuse: (error) => answerError(request, reply, error, isRun ? runId : null),
  });
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

/** Why a deployment without a ready replica does not answer. */
function notServing({ name, status, statusDetail }: AddressedDeployment): ServingError {
  if (status === "failed") {
    return new ServingError(
      "deployment_failed",
      `Deployment ${name} cannot start. ${statusDetail ?? ""}`.trim(),
    );
  }
  return new ServingError(
    "deployment_not_ready",
    `Deployment ${name} is ${status === "active" ? "starting again" : status}; try again shortly.`,
    {
      retryAfterSeconds: status === "starting" ? 2 : 1,
    },
  );
}
