// `POST /code`: the platform gives the replica other code for its model. Only the code worker is replaced; calls that run
// end on the old one, and code that cannot be loaded changes nothing. No run, no dialect.

import {
  asServingError,
  isServingError,
  replicaCodeChangeSchema,
  ServingError,
  type ReplicaCodeAnswer,
} from "@corral/contract";
import type { IncomingMessage, ServerResponse } from "node:http";
import { stackOf } from "./answer-call.ts";
import { codeInterfaceOf } from "./code-worker/code-interface.ts";
import type { Log } from "./log.ts";
import type { RunningCode } from "./replica-code.ts";
import { readJsonObject } from "./request-body.ts";
import { sendError, sendJson } from "./send-answer.ts";

const bodyLimitBytes = 1 << 20;

/** Answers in every case and never rejects. `code`: null while the model is being loaded. */
export async function answerCode(
  code: RunningCode | null,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  try {
    if (code === null) throw new ServingError("deployment_not_ready", "The model is being loaded.");
    const wanted = replicaCodeChangeSchema.safeParse(await readJsonObject(request, bodyLimitBytes));
    if (!wanted.success) throw new ServingError("invalid_parameter", wanted.error.message);
    const outcome = await code.change(wanted.data);
    const known = codeInterfaceOf(code.service.worker.loaded);
    const answer: ReplicaCodeAnswer =
      outcome.kind === "loaded"
        ? { kind: "loaded", reload: outcome.reload, load_ms: outcome.loadMs, ...known }
        : { ...outcome.failed, kind: "refused" };
    sendJson(response, { body: answer, output: null, headers: {} });
  } catch (error) {
    request.resume();
    if (!isServingError(error)) log.error("the code could not be replaced", { stack: stackOf(error) });
    sendError(request, response, asServingError(error), null);
  }
}
