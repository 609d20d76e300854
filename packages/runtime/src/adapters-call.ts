// `POST /adapters`: the platform tells the replica which adapters were added to its deployment. No run, no dialect.

import {
  asServingError,
  isServingError,
  replicaAdaptersSchema,
  ServingError,
  type ReplicaAdaptersAnswer,
} from "@corral/contract";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AdapterTable } from "./adapter-table.ts";
import { stackOf } from "./answer-call.ts";
import type { Log } from "./log.ts";
import { readJsonObject } from "./request-body.ts";
import { sendError, sendJson } from "./send-answer.ts";

const bodyLimitBytes = 1 << 20;
const nothing: ReplicaAdaptersAnswer = { names: [], problems: [] };

/**
 * Answers in every case and never rejects.
 *
 * @param table null while the model is being loaded, and where there is none
 * @param hasModel false: the replica's code is all it has
 */
export async function answerAdapters(
  table: AdapterTable | null,
  hasModel: boolean,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  try {
    if (table === null && hasModel)
      throw new ServingError("deployment_not_ready", "The model is being loaded.");
    const list = replicaAdaptersSchema.safeParse(await readJsonObject(request, bodyLimitBytes));
    if (!list.success) throw new ServingError("invalid_parameter", list.error.message);
    if (table === null && list.data.adapters.length > 0)
      throw new ServingError(
        "invalid_parameter",
        "Adapters change a model, and this replica has code alone.",
      );
    const body = table === null ? nothing : await table.setAdded(list.data);
    sendJson(response, { body, output: null, headers: {} });
  } catch (error) {
    request.resume();
    if (!isServingError(error)) log.error("adapters could not be changed", { stack: stackOf(error) });
    sendError(request, response, asServingError(error), null);
  }
}
