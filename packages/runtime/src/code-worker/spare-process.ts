// A process that waits for code, so that new code does not wait for a process. There is at most one. It is started a
// moment after it was asked for: to start a process keeps the replica's loop, which has an answer to give just then.

import { isDeepStrictEqual } from "node:util";
import { startSpareWorker, type SpareWorker, type WorkerLifeOptions } from "./worker-life.ts";

type ProcessOptions = WorkerLifeOptions["process"];

export interface SpareProcess {
  /** One of the very same options; null: there is none. */
  take(options: ProcessOptions): Promise<SpareWorker | null>;
  /** Starts one soon, unless it is there. */
  prepare(options: ProcessOptions): void;
  close(): Promise<void>;
}

interface Waiting {
  readonly options: ProcessOptions;
  /** Null: it could not be started, or has ended. */
  readonly started: Promise<SpareWorker | null>;
  isGone: boolean;
}

const startMs = 600;

export function createSpareProcess(): SpareProcess {
  let waiting: Waiting | null = null;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  async function end(one: Waiting | null): Promise<void> {
    const spare = await one?.started;
    spare?.process.kill("It was not needed.");
    await spare?.process.exited;
  }

  return {
    async take(options) {
      clearTimeout(timer);
      const one = waiting;
      if (one === null) return null;
      waiting = null;
      if (one.isGone || !isDeepStrictEqual(one.options, options)) {
        void end(one);
        return null;
      }
      const spare = await one.started;
      return one.isGone ? null : spare;
    },
    prepare(options) {
      clearTimeout(timer);
      if (!isClosed) timer = setTimeout(() => start(options), startMs).unref();
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      const one = waiting;
      waiting = null;
      await end(one);
    },
  };

  function start(options: ProcessOptions): void {
    const before = waiting;
    if (before !== null && !before.isGone && isDeepStrictEqual(before.options, options)) return;
    void end(before);
    const one: Waiting = {
      options,
      isGone: false,
      started: startSpareWorker(options).catch(() => null),
    };
    waiting = one;
    void one.started.then(async (spare) => {
      await spare?.process.exited;
      one.isGone = true;
    });
  }
}
