// Retrieval-augmented chat: find the passages that a question is about, and let the model answer with them before it.

import { HttpError, llm, log, type CallContext, type LoadContext } from "@corral/model";
import { z } from "zod";
import { chatBody, chatCompletion, chatStream } from "./chat-completion.ts";
import { readPassages } from "./corpus.ts";
import { buildIndex, search, type Found, type Index } from "./retrieval.ts";

export const input = z.object({
  question: z.string().min(1).max(2_000),
  /** How many passages the model is given. */
  passages: z.int().min(1).max(5).default(2),
  stream: z.boolean().default(false),
});

export const output = z.object({
  answer: z.string(),
  sources: z.array(z.object({ source: z.string(), score: z.number() })),
});

/** The likeliest answer, and always the same one. */
const parameters = { max_new_tokens: 80, do_sample: false };

let index: Index = { passages: [], vectors: [], mean: [] };

/** Once, when a replica starts: the documents are read and embedded. */
export async function load({ dataDirectory }: LoadContext): Promise<void> {
  index = await buildIndex(await readPassages(dataDirectory));
  log.info(`${index.passages.length} passages are indexed`);
}

export async function predict({ question, passages, stream }: z.output<typeof input>) {
  const found = await search(index, question, passages);
  const messages = prompt(found, [{ role: "user", content: question }]);
  if (stream) return textOf(llm.stream({ messages, ...parameters }));
  const { result } = await llm.generate({ messages, ...parameters });
  return {
    answer: answerOf(result),
    sources: found.map(({ passage, score }) => ({ source: passage.source, score })),
  };
}

/** What makes `/v1/chat/completions` answer: any client of OpenAI's API can talk to the documents. */
export async function chatCompletions(body: unknown, { runId }: CallContext): Promise<unknown> {
  const parsed = chatBody.safeParse(body);
  if (!parsed.success) throw new HttpError(400, z.prettifyError(parsed.error));
  const { messages, model, stream, max_tokens: tokens, temperature } = parsed.data;
  const question = messages.findLast(({ role }) => role === "user")?.content;
  if (question === undefined) throw new HttpError(400, "messages holds no message of a user.");
  const asked = {
    messages: prompt(await search(index, question, 2), messages),
    ...parameters,
    max_new_tokens: tokens ?? parameters.max_new_tokens,
    ...((temperature ?? 0) > 0 ? { do_sample: true, temperature } : {}),
  };
  if (stream === true) return chatStream(runId, model, llm.stream(asked));
  const { result, usage } = await llm.generate(asked);
  return chatCompletion({ id: runId, model, text: answerOf(result), usage });
}

interface Message {
  readonly role: string;
  readonly content: string;
}

/** The passages stand before the conversation, where a model was taught to look for what it must keep to. */
function prompt(found: readonly Found[], conversation: readonly Message[]): Message[] {
  const passages = found.map(({ passage }) => `- ${passage.text}`).join("\n");
  const content = `Answer from these passages. Say so where they do not hold the answer.\n${passages}`;
  return [{ role: "system", content }, ...conversation];
}

/** With `messages`, what is generated comes back as the conversation that goes on. */
function answerOf(result: readonly [{ readonly generated_text: string | readonly Message[] }]): string {
  const { generated_text: text } = result[0];
  return (typeof text === "string" ? text : (text.at(-1)?.content ?? "")).trim();
}

async function* textOf(chunks: ReturnType<typeof llm.stream>): AsyncGenerator<string> {
  for await (const { text } of chunks) yield text;
}
