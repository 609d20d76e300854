// `POST /environment`: the platform tells the replica's code which environment its deployment is in. No run, no dialect.

import { asServingError, isServingError, replicaEnvironmentSchema, ServingError } from "@corral/contract";
import type { IncomingMessage, ServerResponse } from "node:http";
import { stackOf } from "./answer-call.ts";
import type { Log } from "./log.ts";
import type { RunningCode } from "./replica-code.ts";
import { readJsonObject } from "./request-body.ts";
import { sendError, sendJson } from "./send-answer.ts";

const bodyLimitBytes = 1 << 16;

/** Answers in every case and never rejects. `code`: null while the model is being loaded. */
export async function answerEnvironment(
  code: RunningCode | null,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  try {
    if (code === null) throw new ServingError("deployment_not_ready", "The model is being loaded.");
    const told = replicaEnvironmentSchema.safeParse(await readJsonObject(request, bodyLimitBytes));
    if (!told.success) throw new ServingError("invalid_parameter", told.error.message);
    code.service.worker.setEnvironment(told.data.environment);
    sendJson(response, { body: told.data, output: null, headers: {} });
  } catch (error) {
    request.resume();
    if (!isServingError(error)) log.error("the environment could not be told", { stack: stackOf(error) });
    sendError(request, response, asServingError(error), null);
  }
}
