// `POST /v1/chat/completions`: messages through the model's template, the answer as one message for each choice.

import { mostChatAlternatives } from "@corral/contract";
import { BodyReader } from "./body-reader.ts";
import { chatOptionNames, takeChatOptions } from "./chat-options.ts";
import type { ReadDialect } from "./dialect.ts";
import { createAnswers, type ChoiceForm } from "./openai-answer.ts";
import { readFields, type OwnFields } from "./openai-fields.ts";
import { chatLogprobs } from "./openai-logprobs.ts";
import { plainMessages } from "./openai-messages.ts";
import { refuseUnsupported } from "./openai-refused.ts";
import { readMessages } from "./read-messages.ts";

const form: ChoiceForm = {
  idPrefix: "chatcmpl-",
  object: "chat.completion",
  chunkObject: "chat.completion.chunk",
  whole: (content) => ({ message: { role: "assistant", content, refusal: null } }),
  logprobs: chatLogprobs,
  part: (content, isFirst) => ({
    delta: {
      ...(isFirst ? { role: "assistant" } : {}),
      ...(isFirst || content !== "" ? { content } : {}),
    },
  }),
};

export const readOpenAiChat: ReadDialect = (body, context) => {
  const reader = new BodyReader(body);
  const messages = reader.take("messages") ?? null;
  if (messages === null)
    reader.refuse("/messages", "missing_parameter", "messages is missing; give a list of {role, content}.");
  const source = messages === null ? null : readMessages(reader, plainMessages(messages));
  refuseUnsupported(reader);
  const sources = takeChatOptions(reader, source === null ? null : [source]);
  const logprobs = readLogprobs(reader);
  const fields = readFields(reader, context, {
    lengthNames: ["max_completion_tokens", "max_tokens"],
    ownNames: ["messages", "logprobs", "top_logprobs", ...chatOptionNames],
    logprobs,
  });
  return {
    sources,
    stream: fields.streams ? "chunks" : "none",
    skipSpecialTokens: true,
    stripsStopStrings: true,
    errors: reader.errors,
    warnings: reader.warnings,
    callersWords: fields.callersWords,
    ...(fields.keepsOutput === null ? {} : { isStored: fields.keepsOutput }),
    generationFor: fields.generationFor,
    ...createAnswers(form, fields, context),
  };
};

function readLogprobs(reader: BodyReader): OwnFields["logprobs"] {
  const isOn = reader.takeBoolean("logprobs") ?? false;
  const count = reader.takeInteger("top_logprobs", 0, mostChatAlternatives) ?? 0;
  if (isOn) return { field: "top_logprobs", count };
  if (count > 0) {
    const message = `top_logprobs is ${count} and logprobs is not true; alternatives are told beside log-probabilities only.`;
    reader.refuse("/top_logprobs", "invalid_parameter", message);
  }
  return null;
}
