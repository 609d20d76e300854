// What a Cerebrium caller says about its result: `?async=true`, `?webhookEndpoint=` and, in the body as in 2023,
// `webhook_endpoint`. A body is looked into only where that name may be in it.

import { fieldsError, parseBody, type FieldError } from "@corral/contract";
import type { EgressRules } from "@corral/weights";
import type { FastifyRequest } from "fastify";
import { queuedBodyBytes } from "../runs/queue/enqueue.ts";
import { checkWebhookUrl } from "../webhook/check-webhook-url.ts";
import type { NewTarget } from "../webhook/target.ts";
import type { AddressedCall } from "./forward-call.ts";
import { queryOf } from "./forward-call.ts";
import { lengthOf } from "./proxy.ts";
import type { AcceptedAnswer } from "./queue-call.ts";
import { readBody } from "./read-body.ts";

/** The part of a call that the wish decides. `query` is what the replica is to read. */
export interface CerebriumWish extends Pick<AddressedCall, "queued" | "webhook" | "body"> {
  readonly query: string;
}

const name = Buffer.from('"webhook_endpoint"');
const secretHeader = "x-webhook-secret";
const mostSecretLength = 512;

/** Fails with `invalid_parameter`, or as `readBody` does. */
export async function readCerebriumWish(
  request: FastifyRequest,
  egress: EgressRules,
): Promise<CerebriumWish> {
  const parameters = new URLSearchParams(queryOf(request.raw.url));
  const isAsync = readAsync(parameters.get("async"));
  const inQuery = parameters.get("webhookEndpoint");
  const urlInQuery = inQuery === null ? null : checkWebhookUrl(inQuery, egress, "webhookEndpoint");
  const secret = readSecret(request);
  // A longer one is the model's to read, which says that the name is not for it.
  const body = lengthOf(request.raw) <= queuedBodyBytes ? await readBody(request.raw) : undefined;
  const inBody = body?.includes(name) === true ? endpointIn(body) : null;
  if (inBody !== null) {
    const url = checkWebhookUrl(inBody, egress);
    if (urlInQuery !== null && urlInQuery !== url) throw twoEndpoints();
    const webhook: NewTarget = { url, dialect: "cerebrium", secret };
    const accepted = isAsync ? acceptedAsync : acceptedWithWebhook;
    return {
      query: queryWithout(request),
      queued: { webhook, accepted },
      ...(body === undefined ? {} : { body }),
    };
  }
  const webhook: NewTarget | null =
    urlInQuery === null ? null : { url: urlInQuery, dialect: "cerebrium", secret };
  return {
    query: queryWithout(request),
    ...(body === undefined ? {} : { body }),
    ...(webhook === null ? {} : { webhook }),
    ...(isAsync ? { queued: { accepted: acceptedAsync, ...(webhook === null ? {} : { webhook }) } } : {}),
  };
}

/** Source: Cerebrium's page on webhooks, 2023. */
function acceptedWithWebhook(runId: string): AcceptedAnswer {
  const message = "We will return the output to the endpoint provided when the task is complete.";
  return { status: 200, body: { run_id: runId, message } };
}

function acceptedAsync(runId: string): AcceptedAnswer {
  return { status: 202, headers: { location: `/runs/${runId}` }, body: { run_id: runId } };
}

function readAsync(given: string | null): boolean {
  if (given === null || given === "false") return false;
  if (given === "true") return true;
  throw invalid("/async", `async is ${JSON.stringify(given.slice(0, 60))}; it must be true or false.`);
}

function readSecret({ headers }: FastifyRequest): string | null {
  const secret = headers[secretHeader];
  if (typeof secret !== "string" || secret === "") return null;
  if (secret.length <= mostSecretLength) return secret;
  throw invalid(
    "",
    `The header X-Webhook-Secret has ${secret.length} characters; at most ${mostSecretLength} are taken.`,
  );
}

/** Null where it is null, or only part of another text. A body that is no object is the model's to judge. */
function endpointIn(body: Buffer): string | null {
  const { webhook_endpoint: given = null } = parseBody(body);
  if (given === null || typeof given === "string") return given;
  throw invalid("/webhook_endpoint", `webhook_endpoint is a ${typeof given}; it must be a URL, as a text.`);
}

function twoEndpoints() {
  return invalid(
    "/webhook_endpoint",
    "webhook_endpoint is another address than webhookEndpoint in the query; a result is sent to one, so leave one out.",
  );
}

/** As the caller spelled it, but for what is not the model's. */
function queryWithout(request: FastifyRequest): string {
  const kept = queryOf(request.raw.url)
    .slice(1)
    .split("&")
    .filter((part) => part !== "" && !/^(async|webhookEndpoint)(=|$)/.test(part));
  return kept.length === 0 ? "" : `?${kept.join("&")}`;
}

function invalid(pointer: string, message: string) {
  const error: FieldError = { pointer, code: "invalid_parameter", message };
  return fieldsError([error]);
}
