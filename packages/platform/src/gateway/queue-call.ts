// A call that is answered at once and carried out later: its body is taken whole, and its run is in the queue before the
// caller hears of it.

import type { IncomingHttpHeaders } from "node:http";
import { mediaType, parseJson, ServingError } from "@corral/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import {
  defaultPriority,
  defaultQueueSeconds,
  defaultRetry,
  queuedBodyBytes,
  type RetryPlan,
} from "../runs/queue/enqueue.ts";
import type { NewTarget } from "../webhook/target.ts";
import { principalOf } from "./answer-error.ts";
import type { AddressedCall, PredictServices } from "./forward-call.ts";
import { headersForQueue, readRunWishes } from "./predict-call.ts";
import { bodyTooLarge, lengthOf } from "./proxy.ts";
import { readBody } from "./read-body.ts";

/** For reading only: what it is depends on the model, and on how it is called. */
export const modelAnswerSchema = z
  .unknown()
  .describe(
    "The answer, in the caller's form; `text/event-stream` where it is streamed, the code's own where code answers.",
  );

/** For reading only: the families have words of their own. */
export const acceptedSchema = z
  .looseObject({ run_id: z.string(), status: z.literal("queued").optional() })
  .describe("For `Prefer: respond-async`: the run is in the queue.");

/** What a caller says about a call that it does not wait for; what is absent has its default. */
export interface QueueWish {
  /** 0 to 2, 0 first. */
  readonly priority?: number;
  readonly retry?: RetryPlan;
  /** How long it may wait for a replica. */
  readonly queueSeconds?: number;
  readonly webhook?: NewTarget;
  /** How the family says that it was taken. Default: `acceptedAnswer`. */
  readonly accepted?: (runId: string) => AcceptedAnswer;
}

export interface AcceptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Whether `Prefer` has `respond-async`. Source: RFC 7240, section 4.1. */
export function prefersAsync({ prefer }: IncomingHttpHeaders): boolean {
  const lines = Array.isArray(prefer) ? prefer : [prefer ?? ""];
  const preferences = lines.flatMap((line) => String(line).split(","));
  return preferences.some((one) => one.split(";")[0]?.trim().toLowerCase() === "respond-async");
}

/** Fails while nothing was answered, with `body_too_large`, `invalid_json`, `invalid_parameter` or `queue_full`. */
export async function answerQueued(
  { queue, newRunId }: Pick<PredictServices, "queue" | "newRunId">,
  request: FastifyRequest,
  reply: FastifyReply,
  { dialect, path, target, body: read, isBare = false, runId = newRunId() }: AddressedCall,
  wish: QueueWish,
): Promise<void> {
  if (read === undefined && lengthOf(request.raw) > queuedBodyBytes && lengthOf(request.raw) !== Infinity)
    throw bodyTooLarge(queuedBodyBytes);
  const body = read ?? (await readBody(request.raw));
  if (body.length > queuedBodyBytes) throw bodyTooLarge(queuedBodyBytes);
  requireReadable(request.headers["content-type"], body);
  const { isStored, storesIfAsked } = readRunWishes(request.headers, target);
  if (!isStored && wish.webhook === undefined) throw notReadable(storesIfAsked);
  const { projectId, keyId } = principalOf(request);
  const { priority = defaultPriority, retry = defaultRetry, queueSeconds = defaultQueueSeconds } = wish;
  await queue.enqueue({
    runId,
    projectId,
    deploymentId: target.id,
    keyId,
    dialect,
    path,
    headers: headersForQueue(request.headers, { isOwnRequest: isBare }),
    body,
    isBare,
    isStored,
    priority,
    retry,
    queueSeconds,
    webhook: wish.webhook ?? null,
  });
  const { status, headers = {}, body: answer } = (wish.accepted ?? acceptedAnswer)(runId);
  await reply
    .code(status)
    .headers({ "x-corral-run-id": runId, ...headers })
    .send(answer);
}

export function acceptedAnswer(runId: string): AcceptedAnswer {
  return {
    status: 202,
    headers: { location: `/runs/${runId}`, "preference-applied": "respond-async" },
    body: { run_id: runId, status: "queued" },
  };
}

function notReadable(isProjects: boolean): ServingError {
  return new ServingError(
    "invalid_parameter",
    isProjects
      ? "Nobody could ever read the result of a call that is not waited for and has no webhook, as the project keeps no outputs; send x-corral-store: true, or name a webhook."
      : "Nobody could ever read the result of a call that is not waited for, has x-corral-store: false and no webhook; leave the header out, or name a webhook.",
  );
}

/** What nobody can read is refused now: its caller is not there when a replica finds it. */
function requireReadable(contentType: string | undefined, body: Buffer): void {
  const type = mediaType(contentType);
  if (type !== "" && type !== "application/json" && !type.endsWith("+json")) return;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (cause) {
    throw new ServingError("invalid_json", "The body is not valid UTF-8, and JSON is.", { cause });
  }
  parseJson(text);
}
