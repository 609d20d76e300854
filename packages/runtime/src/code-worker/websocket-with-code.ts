// A websocket of the model's code: opened, its run begun, messages handed over both ways, the run's end committed, closed.
// Source: truss 0.18.35, templates/server/truss_server.py: the server accepts before the method runs; a method that
// returns closes with 1000, one that fails with 1011, and a model without one with 1003.

import { websocketMessageBytes } from "@corral/contract";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { milliseconds } from "../answer-call.ts";
import { callTimings } from "../call-timings.ts";
import { readForwardedCall } from "../call-headers.ts";
import { isCommitted } from "../commitment.ts";
import { startOf } from "../run-ledger.ts";
import { subprotocolHeader } from "../websocket/subprotocols.ts";
import { openServerSocket, type ServerSocket } from "../websocket/server-socket.ts";
import { requestHeaders, type CodeService } from "./answer-with-code.ts";
import { errorOf } from "./code-envelope.ts";
import { CodeRun } from "./code-run.ts";
import type { CallFailure, RunningCall } from "./worker-calls.ts";

const notImplemented = "WebSocket is not implemented on this deployment.";
const failed = "Internal Server Error (in model/chainlet).";

type SocketOutcome =
  | { readonly kind: "ended"; readonly code: number; readonly reason: string }
  | { readonly kind: "failed"; readonly failure: CallFailure };

/** Resolves when it is closed and its run's end is on its way. Null: the replica has no code, or not yet. */
export async function websocketWithCode(
  service: CodeService | null,
  request: IncomingMessage,
  stream: Duplex,
  head: Buffer,
): Promise<void> {
  const { promise: outcome, resolve } = Promise.withResolvers<SocketOutcome>();
  let running: RunningCall | null = null;
  let isPaused = false;
  /** The code knows that nobody listens any more. */
  let isLeft = false;
  const socket = openServerSocket({
    request,
    stream,
    head,
    mostMessageBytes: websocketMessageBytes,
    onMessage(data, isText) {
      if (running?.input(data, isText) === false) socket?.pause();
    },
    onClose(code) {
      isLeft = true;
      running?.inputEnd(code);
    },
    onDrain() {
      if (isPaused) running?.resume();
      isPaused = false;
    },
  });
  if (socket === null) return;
  if (service === null || !service.worker.loaded.methods.includes("websocket"))
    return socket.close(1003, notImplemented);
  if (!service.worker.isAccepting) return socket.close(1013, "The code is being started.");

  const forwarded = readForwardedCall(request.headers);
  const { runId } = forwarded;
  const { worker, runs, ledger, clock, log } = service;
  const receivedAtMs = clock.now();
  // It may be open for as long as it likes, and so may its calls of the model.
  const budget = service.budgets.open(forwarded);
  const run = new CodeRun({ ...forwarded, deadlineAtMs: null }, receivedAtMs, budget, () => {
    running?.cancel();
    resolve({ kind: "failed", failure: { reason: "canceled", message: "The run was canceled." } });
  });
  const active = ledger.begin({
    ...startOf(forwarded),
    promptTokenCount: 0,
    sequenceCount: 0,
    handle: run,
  });
  runs.set(runId, run);
  try {
    running = worker.call({
      method: "websocket",
      runId,
      request: { method: "GET", url: request.url ?? "/", headers: requestHeaders(request, runId) },
      body: new Uint8Array(),
      timeoutMs: null,
      sink: {
        answer: () => resolve({ kind: "ended", code: 1000, reason: "" }),
        begin: ({ headers }) => socket.accept(new Map(headers).get(subprotocolHeader) ?? null),
        chunk(body, isText) {
          if (socket.send(body, isText) || isPaused || isLeft) return;
          isPaused = true;
          running?.pause();
        },
        drained: () => socket.resume(),
        end: (code = 1000, reason = "") => resolve({ kind: "ended", code, reason }),
        fail: (failure) => resolve({ kind: "failed", failure }),
      },
    });
  } catch (error) {
    resolve({ kind: "failed", failure: { reason: "lost", message: String(error) } });
  }
  if (isLeft) running?.inputEnd(1006);

  const ended = await outcome;
  run.end();
  runs.delete(runId);
  const error = errorOfOutcome(ended);
  if (error !== null) log.error("the code's websocket failed", { run_id: runId, detail: error.message });
  const codeMs = milliseconds(clock.now() - receivedAtMs);
  const timings = callTimings({ queueMs: 0, prefillMs: 0, decodeMs: codeMs }, forwarded, {
    receivedAtMs,
    submittedAtMs: receivedAtMs,
    nowMs: receivedAtMs + codeMs,
  });
  const number = ledger.finish(active, { usage: run.usage, error, sequences: [] }, null, timings);
  await isCommitted(service, number, null);
  closeAfter(socket, ended);
}

/** What the code closed with 1011 failed, and its traceback is in the log already. */
function errorOfOutcome(ended: SocketOutcome) {
  if (ended.kind === "failed") return errorOf(ended.failure);
  if (ended.code !== 1011) return null;
  return errorOf({ reason: "exception", message: ended.reason });
}

function closeAfter(socket: ServerSocket, ended: SocketOutcome): void {
  if (ended.kind === "ended") return socket.close(ended.code, ended.reason);
  const { reason } = ended.failure;
  if (reason === "no_method") socket.close(1003, notImplemented);
  else if (reason === "canceled") socket.close(1001, "The run was canceled.");
  else socket.close(1011, failed);
}
