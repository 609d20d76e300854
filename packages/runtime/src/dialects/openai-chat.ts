// `POST /v1/chat/completions`: messages through the model's template, the answer as one message for each choice.

import { BodyReader } from "./body-reader.ts";
import { chatOptionNames, takeChatOptions } from "./chat-options.ts";
import type { ReadDialect } from "./dialect.ts";
import { createAnswers, type ChoiceForm } from "./openai-answer.ts";
import { readFields } from "./openai-fields.ts";
import { plainMessages } from "./openai-messages.ts";
import { refuseUnsupported } from "./openai-refused.ts";
import { readMessages } from "./read-messages.ts";

const form: ChoiceForm = {
  idPrefix: "chatcmpl-",
  object: "chat.completion",
  chunkObject: "chat.completion.chunk",
  whole: (content) => ({ message: { role: "assistant", content, refusal: null } }),
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
  for (const name of ["logprobs", "top_logprobs"]) {
    const value = reader.take(name) ?? null;
    if (value === null || value === false || value === 0) continue;
    reader.refuse(`/${name}`, "unsupported_parameter", `${name} is not supported here yet; leave it out.`);
  }
  const fields = readFields(
    reader,
    context,
    ["max_completion_tokens", "max_tokens"],
    ["messages", "logprobs", "top_logprobs", ...chatOptionNames],
  );
  return {
    sources,
    stream: fields.streams ? "chunks" : "none",
    skipSpecialTokens: true,
    stripsStopStrings: true,
    errors: reader.errors,
    warnings: reader.warnings,
    callersWords: fields.callersWords,
    generationFor: fields.generationFor,
    ...createAnswers(form, fields, context),
  };
};
