// The thread that renders long conversations, so that the event loop goes on meanwhile. Lives as long as its replica.

import { parentPort, workerData } from "node:worker_threads";
import { createRendering, type Conversation, type RenderOutcome } from "./render-conversation.ts";
import type { SpecialTokens } from "./loaded-model.ts";

export interface WorkerStart {
  readonly template: string;
  readonly specialTokens: SpecialTokens;
  readonly stepLimit: number;
}

export interface WorkerQuestion {
  readonly number: number;
  readonly conversation: Conversation;
}

export interface WorkerAnswer {
  readonly number: number;
  readonly outcome: RenderOutcome;
}

const { template, specialTokens, stepLimit } = workerData as WorkerStart;
const render = createRendering(template, specialTokens, () => new Date());

parentPort?.on("message", ({ number, conversation }: WorkerQuestion) => {
  const answer: WorkerAnswer = { number, outcome: render(conversation, stepLimit) };
  parentPort?.postMessage(answer);
});
