// Conversations rendered off the event loop, in one worker thread. It is started with the model, as nothing may use
// libuv's pool later: each use would wait behind a step of the model.

import { ServingError } from "@corral/contract";
import { Worker } from "node:worker_threads";
import { mostSteps } from "./chat-template.ts";
import type { SpecialTokens } from "./loaded-model.ts";
import type { Log } from "./log.ts";
import type { Conversation, RenderOutcome } from "./render-conversation.ts";
import type { WorkerAnswer, WorkerQuestion, WorkerStart } from "./template-worker.ts";

export interface Renderer extends Disposable {
  /** Fails with `queue_full`, and with `internal` where the thread ended. */
  render(conversation: Conversation): Promise<RenderOutcome>;
}

/** More are told to come again: each may take half a second. */
const mostWaiting = 32;
/** A template that needs more ends its thread, and another is started. */
const memoryLimitMiB = 256;

export interface RendererOptions {
  readonly template: string;
  readonly specialTokens: SpecialTokens;
  readonly log: Log;
  /** Default `mostSteps`. */
  readonly stepLimit?: number;
}

export function startRenderer({
  template,
  specialTokens,
  log,
  stepLimit = mostSteps,
}: RendererOptions): Renderer {
  const waiting = new Map<number, PromiseWithResolvers<RenderOutcome>>();
  let asked = 0;
  let ended = false;
  let worker = start();

  function start(): Worker {
    const data: WorkerStart = { template, specialTokens, stepLimit };
    const started = new Worker(new URL("./template-worker.ts", import.meta.url), {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: memoryLimitMiB },
    });
    started.on("message", ({ number, outcome }: WorkerAnswer) => {
      waiting.get(number)?.resolve(outcome);
      waiting.delete(number);
    });
    started.on("error", (error: NodeJS.ErrnoException) => {
      log.warn("the thread that renders conversations ended", { error: error.message });
      const isMemory = error.code === "ERR_WORKER_OUT_OF_MEMORY";
      // The first of those that wait is the one that it worked on; the others may be asked for again.
      const [current, ...others] = waiting.values();
      if (isMemory) current?.resolve({ kind: "costly" });
      else current?.reject(new ServingError("internal", error.message, { cause: error }));
      for (const other of others) other.reject(tooMany());
      waiting.clear();
      if (!ended) worker = start();
    });
    // A replica whose last call has ended must not be kept alive by it.
    started.unref();
    return started;
  }

  return {
    render(conversation) {
      if (waiting.size >= mostWaiting) return Promise.reject(tooMany());
      asked += 1;
      const answer = Promise.withResolvers<RenderOutcome>();
      waiting.set(asked, answer);
      const question: WorkerQuestion = { number: asked, conversation };
      worker.postMessage(question);
      return answer.promise;
    },
    [Symbol.dispose]() {
      ended = true;
      for (const answer of waiting.values())
        answer.reject(new ServingError("shutting_down", "The replica is shutting down."));
      waiting.clear();
      void worker.terminate();
    },
  };
}

function tooMany(): ServingError {
  return new ServingError(
    "queue_full",
    "Too many long conversations are being rendered; try again shortly.",
    {
      retryAfterSeconds: 1,
    },
  );
}
