// OpenAI's chat call: its body, its whole answer, and its stream. Fields that this model has no use for are ignored.

import { z } from "zod";
import type { LlmChunk } from "@corral/model";

export const chatBody = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
  model: z.string().default("rag-chat"),
  stream: z.boolean().nullish(),
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
});

interface Answer {
  readonly id: string;
  readonly model: string;
  readonly text: string;
  readonly usage: { readonly prompt_tokens: number; readonly generated_tokens: number };
}

export function chatCompletion({ id, model, text, usage }: Answer): unknown {
  const { prompt_tokens, generated_tokens: completion_tokens } = usage;
  return {
    id: `chatcmpl-${id}`,
    object: "chat.completion",
    created: Math.floor(Date.now() / 1_000),
    model,
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
  };
}

/** Server-sent events, as OpenAI's clients read them. */
export function chatStream(id: string, model: string, chunks: AsyncIterable<LlmChunk>): Response {
  const created = Math.floor(Date.now() / 1_000);
  const event = (delta: object, finishReason: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finishReason }];
    return `data: ${JSON.stringify({ id: `chatcmpl-${id}`, object: "chat.completion.chunk", created, model, choices })}\n\n`;
  };
  async function* events(): AsyncGenerator<string> {
    yield event({ role: "assistant", content: "" }, null);
    for await (const { text } of chunks) if (text !== "") yield event({ content: text }, null);
    yield event({}, "stop");
    yield "data: [DONE]\n\n";
  }
  const body = ReadableStream.from(events()).pipeThrough(new TextEncoderStream());
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}
