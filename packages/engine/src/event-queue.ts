// Events between the engine's loop and one consumer. The loop never waits for the consumer, and the queue never grows
// beyond the generation's own ids: text events of a sequence that were not taken yet become one.

import type { GenerationEvent } from "./generation.ts";
import type { TopScores } from "./recorded-token.ts";

export interface EventQueue {
  /** `ended` closes the queue. */
  push(event: GenerationEvent): void;
  /** Gives the events once: a second call throws a TypeError. */
  iterate(): AsyncIterator<GenerationEvent>;
}

type PendingEvent =
  | Exclude<GenerationEvent, { kind: "text" }>
  | { kind: "text"; sequence: number; text: string; ids: number[]; logprobs?: TopScores[] };

export function createEventQueue(): EventQueue {
  const pending: PendingEvent[] = [];
  let wake: (() => void) | null = null;
  let isTaken = false;

  function push(event: GenerationEvent): void {
    if (event.kind === "text") pushText(event);
    else pending.push(event);
    wake?.();
  }

  function pushText(added: Extract<GenerationEvent, { kind: "text" }>): void {
    for (const event of pending) {
      if (event.kind !== "text" || event.sequence !== added.sequence) continue;
      event.text += added.text;
      event.ids.push(...added.ids);
      if (added.logprobs !== undefined) (event.logprobs ??= []).push(...added.logprobs);
      return;
    }
    const { logprobs, ids, ...rest } = added;
    pending.push({ ...rest, ids: [...ids], ...(logprobs === undefined ? {} : { logprobs: [...logprobs] }) });
  }

  async function* take(): AsyncGenerator<GenerationEvent, undefined> {
    for (;;) {
      const event = pending.shift();
      if (event === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = null;
        continue;
      }
      yield event;
      if (event.kind === "ended") return undefined;
    }
  }

  return {
    push,
    iterate() {
      if (isTaken) throw new TypeError("The events of a generation can be read once.");
      isTaken = true;
      return take();
    },
  };
}
