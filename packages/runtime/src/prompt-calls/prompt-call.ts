// Calls that look at prompts and compute nothing: no run, no place in a queue, no record. Each reads a body and answers.

import type { CarryOut } from "../answer-call.ts";
import { BodyReader } from "../dialects/body-reader.ts";
import type { PredictService } from "../predict.ts";
import type { PromptModel } from "../prompt.ts";
import { sendJson } from "../send-answer.ts";
import { detokenize } from "./detokenize.ts";
import { renderPrompt } from "./render.ts";
import { tokenize } from "./tokenize.ts";

/** Fails with all that is wrong with the body. Answers its JSON. */
export type PromptCall = (reader: BodyReader, model: PromptModel, service: PredictService) => Promise<object>;

const carryOut =
  (call: PromptCall): CarryOut<PredictService> =>
  async (admit, { body, response }) => {
    const service = admit();
    const answer = await call(new BodyReader(body), service.model, service);
    if (!response.destroyed) sendJson(response, { body: answer, output: null, headers: {} });
  };

/** By the path on the replica. */
export const promptCalls = {
  "/tokenize": carryOut(tokenize),
  "/detokenize": carryOut(detokenize),
  "/render": carryOut(renderPrompt),
} as const;
