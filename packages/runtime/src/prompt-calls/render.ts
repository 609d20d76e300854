// `POST /render`: the very text and ids that `generate` goes on from, and nothing computed.

import { fieldsError, isServingError, type FieldError } from "@corral/contract";
import type { BodyReader } from "../dialects/body-reader.ts";
import { chatOptionNames, takeChatOptions } from "../dialects/chat-options.ts";
import { takeSource } from "../dialects/read-sources.ts";
import type { PredictService } from "../predict.ts";
import { prepareOffLoop } from "../prepare-off-loop.ts";
import { preparePrompt, type PromptModel, type PromptSource } from "../prompt.ts";

export async function renderPrompt(
  reader: BodyReader,
  model: PromptModel,
  { renderer }: PredictService,
): Promise<object> {
  const taken = takeSource(reader, ["messages", "prompt"]);
  const [source = null] = takeChatOptions(reader, taken === null ? null : [taken]) ?? [];
  reader.refuseRest(["messages", "prompt", ...chatOptionNames]);
  const { text, ids, warnings } = await prepareOffLoop(model, renderer, (current) =>
    prepare(current, source, reader.errors),
  );
  return { text, ids, ...(warnings.length === 0 ? {} : { warnings }) };
}

/** Fails with everything that is wrong, in the body and with the prompt. */
function prepare(model: PromptModel, source: PromptSource | null, errors: readonly FieldError[]) {
  if (source === null) throw fieldsError(errors);
  try {
    const prompt = preparePrompt(model, source);
    if (errors.length > 0) throw fieldsError(errors);
    return prompt;
  } catch (error) {
    if (!isServingError(error) || error.errors.length === 0 || errors.length === 0) throw error;
    throw fieldsError([...new Set([...errors, ...error.errors])]);
  }
}
