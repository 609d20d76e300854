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

/**
 * A call as workers get it: what they give back is found again without a weak map, whose dead entries each collection of
 * garbage would walk through.
 */
class Placed implements CodeCall {
  readonly method: CodeCall["method"];
  readonly runId: string;
  readonly request: CodeCall["request"];
  readonly body: Uint8Array;
  readonly timeoutMs: number | null;
  readonly sink: CodeCall["sink"];
  /** Of `performance.now()`, wherever the call waits or runs; null: none. */
  readonly deadlineAtMs: number | null;
  running: RunningCall | null = null;
  /** Said to it while it waited, in order. */
  held: ((running: RunningCall) => void)[] = [];
  heldBytes = 0;
  /** While it waits. */
  timer: NodeJS.Timeout | undefined = undefined;

  constructor({ method, runId, request, body, timeoutMs, sink }: CodeCall) {
    this.method = method;
    this.runId = runId;
    this.request = request;
    this.body = body;
    this.timeoutMs = timeoutMs;
    this.sink = sink;
    this.deadlineAtMs = timeoutMs === null ? null : performance.now() + timeoutMs;
  }
}

export function createPlacedCalls({ queueLength, current, isStopped }: PlacedCallsOptions): PlacedCalls {
  const waiting = new Set<Placed>();

  function putIn(placed: Placed): void {
    const { timeoutMs, sink } = placed;
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
    placed.running = life?.isAccepting === true ? life.call(placed, timeLeft(placed)) : null;
    if (placed.running === null) return false;
    const { held, running } = placed;
    if (held.length > 0) {
      placed.held = [];
      placed.heldBytes = 0;
      for (const tell of held) tell(running);
    }
    // The worker that told it to wait may be another.
    placed.sink.drained?.();
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
      const placed = new Placed(call);
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
      // Workers have no others.
      if (!(call instanceof Placed) || give(call)) return;
      if (isStopped()) call.sink.fail({ reason: "lost", message: "The replica is shutting down." });
      else putIn(call);
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
        placed.sink.fail({ reason: "lost", message });
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
