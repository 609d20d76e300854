// What `is_healthy` of a model's code says, asked anew each time. Of readiness alone: calls are answered all the same.

import { randomUUID } from "node:crypto";
import type { RunningCode } from "../replica-code.ts";

/** A check that takes longer has failed. */
const checkMs = 30_000;

/** True for code that is loaded and has no `is_healthy`. Never rejects. */
export async function isHealthy(code: RunningCode | null): Promise<boolean> {
  if (code === null) return false;
  const { worker, log } = code.service;
  if (!worker.isAccepting) return false;
  if (!worker.loaded.methods.includes("is_healthy")) return true;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const unhealthy = () => resolve(false);
  try {
    worker.call({
      method: "is_healthy",
      runId: randomUUID(),
      request: { method: "GET", url: "/v1/models/model", headers: [] },
      body: new Uint8Array(),
      timeoutMs: checkMs,
      sink: {
        answer: (_head, body) => resolve(body.toString("utf8") === "true"),
        begin: unhealthy,
        chunk: unhealthy,
        end: unhealthy,
        fail(failure) {
          const traceback = "traceback" in failure ? failure.traceback : undefined;
          log.error("the code's is_healthy failed", {
            reason: failure.message,
            ...(traceback === undefined ? {} : { traceback }),
          });
          resolve(false);
        },
      },
    });
  } catch {
    return false;
  }
  return await promise;
}
