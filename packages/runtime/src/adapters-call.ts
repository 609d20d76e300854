// `POST /adapters`: the platform tells the replica which adapters were added to its deployment. No run, no dialect.

import { asServingError, isServingError, replicaAdaptersSchema, ServingError } from "@corral/contract";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AdapterTable } from "./adapter-table.ts";
import { stackOf } from "./answer-call.ts";
import type { Log } from "./log.ts";
import { readJsonObject } from "./request-body.ts";
import { sendError, sendJson } from "./send-answer.ts";

const bodyLimitBytes = 1 << 20;

/** Answers in every case and never rejects. `table`: null while the model is being loaded. */
export async function answerAdapters(
  table: AdapterTable | null,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  try {
    if (table === null) throw new ServingError("deployment_not_ready", "The model is being loaded.");
    const list = replicaAdaptersSchema.safeParse(await readJsonObject(request, bodyLimitBytes));
    if (!list.success) throw new ServingError("invalid_parameter", list.error.message);
    sendJson(response, { body: await table.setAdded(list.data), output: null, headers: {} });
  } catch (error) {
    request.resume();
    if (!isServingError(error)) log.error("adapters could not be changed", { stack: stackOf(error) });
    sendError(request, response, asServingError(error), null);
  }
}
