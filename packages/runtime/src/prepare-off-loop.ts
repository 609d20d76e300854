// Preparing a call whose conversations are long: short ones are rendered at once, and what takes more than a few
// milliseconds is left to the worker thread, after which the call is prepared again with the texts that came back.

import { textOrFailure, type ChatTemplate } from "./chat-template.ts";
import type { PromptModel } from "./prompt.ts";
import type { Conversation, RenderOutcome } from "./render-conversation.ts";
import type { Renderer } from "./renderer.ts";

/** Steps that a call's conversations may take together on the event loop: 2 to 8 ms. */
export const stepsOnLoop = 10_000;

/** That a conversation is left to the worker. */
class LeftToWorker extends Error {}

/**
 * Calls `prepare` once where the conversations are short, else three times and seldom more. It must ask for the same
 * conversations in the same order each time. Without a renderer everything is done at once.
 */
export async function prepareOffLoop<Prepared>(
  model: PromptModel,
  renderer: Renderer | null,
  prepare: (model: PromptModel) => Prepared | Promise<Prepared>,
): Promise<Prepared> {
  const { chatTemplate } = model;
  if (chatTemplate === null || renderer === null) return prepare(model);
  /** By the place of the conversation in the call. */
  const outcomes = new Map<number, RenderOutcome>();
  let stepsLeft = stepsOnLoop;
  for (;;) {
    try {
      return await prepareWith(model, chatTemplate, prepare, (index, conversation) => {
        const outcome = outcomes.get(index) ?? chatTemplate.renderWithin(conversation, stepsLeft);
        if (outcome.kind === "costly" && !outcomes.has(index)) throw new LeftToWorker();
        if (outcome.kind === "text" && !outcomes.has(index)) stepsLeft -= outcome.steps;
        outcomes.set(index, outcome);
        return outcome;
      });
    } catch (error) {
      if (!(error instanceof LeftToWorker)) throw error;
    }
    // What is left from here on goes to the worker, however short.
    stepsLeft = 0;
    const left = await conversationsLeft(model, chatTemplate, prepare, outcomes);
    // One after the other: a call takes one of the places before the worker, however many conversations it has.
    for (const [index, conversation] of left) outcomes.set(index, await renderer.render(conversation));
  }
}

function prepareWith<Prepared>(
  model: PromptModel,
  chatTemplate: ChatTemplate,
  prepare: (model: PromptModel) => Prepared | Promise<Prepared>,
  outcomeOf: (index: number, conversation: Conversation) => RenderOutcome,
): Prepared | Promise<Prepared> {
  let count = 0;
  const render: ChatTemplate["render"] = (messages, { pointer, ...options }) => {
    count += 1;
    return textOrFailure(outcomeOf(count - 1, { messages, options }), pointer);
  };
  return prepare({ ...model, chatTemplate: { ...chatTemplate, render } });
}

/** Prepares the call with some text in place of each, only to learn which conversations there are. */
async function conversationsLeft<Prepared>(
  model: PromptModel,
  chatTemplate: ChatTemplate,
  prepare: (model: PromptModel) => Prepared | Promise<Prepared>,
  outcomes: ReadonlyMap<number, RenderOutcome>,
): Promise<ReadonlyMap<number, Conversation>> {
  const left = new Map<number, Conversation>();
  try {
    await prepareWith(model, chatTemplate, prepare, (index, conversation) => {
      const known = outcomes.get(index);
      if (known === undefined) left.set(index, conversation);
      return known ?? { kind: "text", text: ".", steps: 0 };
    });
  } catch {
    // Whatever is wrong is found again when the texts are there.
  }
  return left;
}
