// Asks one worker again and again whether it is healthy, and says what is to be done.

import { afterCheck, healthy, type HealthAction, type HealthThresholds } from "./health.ts";
import type { RunningCall } from "./worker-calls.ts";
import type { WorkerLife } from "./worker-life.ts";

export interface HealthSettings extends HealthThresholds {
  /** Between two checks, and how long one may take; as Kubernetes asks a Truss server. */
  readonly checkMs: number;
}

export interface HealthWatch {
  stop(): void;
}

/** `onAction` is not called with `none`. */
export function watchHealth(
  life: WorkerLife,
  settings: HealthSettings,
  onAction: (action: Exclude<HealthAction, "none">) => void,
): HealthWatch {
  const { checkMs, delayMs } = settings;
  let state = healthy;
  let asked: RunningCall | null = null;
  let said: boolean | null = null;
  let isStopped = false;

  function settle(): void {
    const isHealthy = said === true;
    const next = afterCheck(state, { isHealthy, nowMs: performance.now() }, settings);
    state = next.state;
    if (next.action !== "none") onAction(next.action);
  }

  function ask(): void {
    said = null;
    const answer = (isHealthy: boolean) => {
      asked = null;
      said = isHealthy;
      if (!isStopped) settle();
    };
    asked = life.call({
      method: "is_healthy",
      runId: "is_healthy",
      request: { method: "GET", url: "/health", headers: [] },
      body: Buffer.from("null"),
      // Its time is kept here: a worker is not ended for one slow check.
      timeoutMs: null,
      sink: {
        answer: (_head, body) => answer(body.toString() === "true"),
        begin: () => {},
        chunk: () => {},
        end: () => answer(false),
        fail: () => answer(false),
      },
    });
  }

  function check(): void {
    // It has had its time. One that is never answered is not asked a second time beside it.
    if (asked === null) ask();
    else settle();
  }

  let timer = setTimeout(() => {
    timer = setInterval(check, checkMs).unref();
    check();
  }, delayMs).unref();
  return {
    stop() {
      isStopped = true;
      clearTimeout(timer);
      clearInterval(timer);
      asked?.cancel();
      asked = null;
    },
  };
}
