// What was opened, and is ended in the opposite order.

import type { Logger } from "pino";

export interface Closing {
  add(step: () => Promise<void> | void): void;
  /** Takes every step, the last one first; a step that fails is logged and keeps no other from being taken. */
  close(): Promise<void>;
}

export function createClosing(log: Logger): Closing {
  const steps: (() => Promise<void> | void)[] = [];
  return {
    add: (step) => void steps.push(step),
    async close() {
      for (const step of steps.toReversed()) {
        await Promise.resolve(step()).catch((error: unknown) =>
          log.warn({ err: String(error) }, "a part does not end"),
        );
      }
    },
  };
}
