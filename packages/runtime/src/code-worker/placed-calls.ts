// The calls of a replica's code and where each of them is: with the worker that runs, or waiting for one. A call moves
// to another worker as long as none of the author's code has run for it. Knows nothing of how workers come and go.

import { ServingError } from "@corral/contract";
import type { CodeCall, RunningCall } from "./worker-calls.ts";
import type { WorkerLife } from "./worker-life.ts";

export interface PlacedCalls {
  readonly waitingCount: number;
  /** Fails with `queue_full` where it would have to wait and too many do. */
  place(call: CodeCall): RunningCall;
  /** A call that another worker gave back or lost. */
  placeAgain(call: CodeCall): void;
  /** Gives the worker that runs what waits, as long as it takes calls. */
  placeWaiting(): void;
  failWaiting(message: string): void;
}

export interface PlacedCallsOptions {
  /** Most that wait. */
  readonly queueLength: number;
  /** The worker that runs now; null: none does. */
  readonly current: () => WorkerLife | null;
  /** Nothing will ever run again: what cannot be placed is lost. */
  readonly isStopped: () => boolean;
}

/** Of one call that waits, before its caller is told to wait as well. */
const mostHeldBytes = 1024 ** 2;
const mostHeldMessages = 1_000;

interface Placed {
  readonly call: CodeCall;
  /** Of `performance.now()`, wherever the call waits or runs; null: none. */
  readonly deadlineAtMs: number | null;
  running: RunningCall | null;
  /** Said to it while it waited, in order. */
  readonly held: ((running: RunningCall) => void)[];
  heldBytes: number;
  /** While it waits. */
  timer: NodeJS.Timeout | undefined;
}

export function createPlacedCalls({ queueLength, current, isStopped }: PlacedCallsOptions): PlacedCalls {
  const all = new WeakMap<CodeCall, Placed>();
  const waiting = new Set<Placed>();

  function putIn(placed: Placed): void {
    const { timeoutMs, sink } = placed.call;
    const leftMs = timeLeft(placed);
    waiting.add(placed);
    if (leftMs === null) return;
    placed.timer = setTimeout(() => {
      waiting.delete(placed);
      sink.fail({
        reason: "timeout",
        message: `The model's code did not begin with the call within ${timeoutMs ?? leftMs} ms.`,
      });
    }, leftMs);
  }

  function takeOut(placed: Placed): void {
    clearTimeout(placed.timer);
    waiting.delete(placed);
  }

  /** False where there is no worker that takes it now. */
  function give(placed: Placed): boolean {
    const life = current();
    placed.running = life?.isAccepting === true ? life.call(placed.call, timeLeft(placed)) : null;
    if (placed.running === null) return false;
    for (const tell of placed.held.splice(0)) tell(placed.running);
    placed.heldBytes = 0;
    // The worker that told it to wait may be another.
    placed.call.sink.drained?.();
    return true;
  }

  function input(placed: Placed, body: Uint8Array, isText: boolean): boolean {
    if (placed.running !== null) return placed.running.input(body, isText);
    placed.held.push((running) => running.input(body, isText));
    placed.heldBytes += body.length;
    return placed.heldBytes <= mostHeldBytes && placed.held.length <= mostHeldMessages;
  }

  function inputEnd(placed: Placed, closeCode: number): void {
    if (placed.running !== null) placed.running.inputEnd(closeCode);
    else placed.held.push((running) => running.inputEnd(closeCode));
  }

  return {
    get waitingCount() {
      return waiting.size;
    },
    place(call) {
      const deadlineAtMs = call.timeoutMs === null ? null : performance.now() + call.timeoutMs;
      const placed: Placed = { call, deadlineAtMs, running: null, held: [], heldBytes: 0, timer: undefined };
      all.set(call, placed);
      if (!give(placed)) {
        if (waiting.size >= queueLength) throw queueFull(queueLength);
        putIn(placed);
      }
      return {
        cancel: () => {
          takeOut(placed);
          placed.running?.cancel();
        },
        pause: () => placed.running?.pause(),
        resume: () => placed.running?.resume(),
        input: (body, isText) => input(placed, body, isText),
        inputEnd: (closeCode) => inputEnd(placed, closeCode),
      };
    },
    placeAgain(call) {
      const placed = all.get(call);
      if (placed === undefined || give(placed)) return;
      if (isStopped()) call.sink.fail({ reason: "lost", message: "The replica is shutting down." });
      else putIn(placed);
    },
    placeWaiting() {
      for (const placed of waiting) {
        if (current()?.isAccepting !== true) return;
        takeOut(placed);
        if (!give(placed)) putIn(placed);
      }
    },
    failWaiting(message) {
      for (const placed of waiting) {
        takeOut(placed);
        placed.call.sink.fail({ reason: "lost", message });
      }
    },
  };
}

function timeLeft({ deadlineAtMs }: Placed): number | null {
  return deadlineAtMs === null ? null : Math.max(0, Math.ceil(deadlineAtMs - performance.now()));
}

function queueFull(queueLength: number): ServingError {
  return new ServingError("queue_full", `${queueLength} calls wait until the model's code is loaded again.`);
}
