// A call to a replica's path, answered by the author's code: run begun, code called, run reported and committed, last
// byte sent.

import { ServingError, type WholeAnswer } from "@corral/contract";
import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { milliseconds, type CallService, type CarryOut, type ReceivedCall } from "../answer-call.ts";
import type { ForwardedCall } from "../call-headers.ts";
import { callTimings } from "../call-timings.ts";
import { isCommitted, notCommitted } from "../commitment.ts";
import type { ControlChannel } from "../control-channel.ts";
import type { Log } from "../log.ts";
import type { RunBudgets } from "../run-budgets.ts";
import { startOf, usageOnWire, type ActiveRun, type RunLedger } from "../run-ledger.ts";
import { wholeAnswer } from "../send-answer.ts";
import { createResponseSink, type CodeOutcome } from "./answer-sink.ts";
import { errorOf, failureAnswer, headersOf, wrapValue, type EnvelopeContext } from "./code-envelope.ts";
import { CodeRun } from "./code-run.ts";
import type { CodeWorker } from "./code-worker.ts";
import { jsonDepth } from "./json-depth.ts";
import type { AnswerMessage, CodeMethod } from "./protocol.ts";

export interface CodeService extends CallService {
  readonly worker: CodeWorker;
  /** By their ids; the code's calls of the model find theirs here. */
  readonly runs: Map<string, CodeRun>;
  readonly channel: ControlChannel;
  readonly ledger: RunLedger;
  readonly budgets: RunBudgets;
  readonly log: Log;
  /** What the platform may take to commit the end of a run. */
  readonly acknowledgementMs: number;
  readonly limits: { readonly callMs: number; readonly pieceMs: number };
}

/** The code gets the body as it came, and answers what it wants. */
export function answerWithCode(method: CodeMethod): CarryOut<CodeService, Buffer> {
  return async (admit, received) => {
    // Asked again: the state may have changed while the body arrived.
    const service = admit();
    const { forwarded, response, receivedAtMs } = received;
    const timeoutMs = timeLeft(service, received);
    // Nothing of a stream is sent before its run is begun below.
    let active: ActiveRun | null = null;
    const sink = createResponseSink({
      response,
      headersOf,
      pieceMs: service.limits.pieceMs,
      mostKeptBytes: mostRecordedBytes(service, forwarded),
      onText: (text) => void (active === null ? null : service.ledger.addText(active, text)),
    });
    const run = new CodeRun(forwarded, receivedAtMs, service.budgets.open(forwarded), () => {
      running.cancel();
      sink.fail({ reason: "canceled", message: "The run was canceled." });
    });
    const running = service.worker.call({
      method,
      runId: forwarded.runId,
      request: requestOf(received),
      body: received.body,
      timeoutMs,
      sink,
    });
    sink.attach(running);
    service.runs.set(forwarded.runId, run);
    active = service.ledger.begin({
      ...startOf(forwarded),
      isFollowed: true,
      promptTokenCount: 0,
      sequenceCount: 0,
      handle: run,
    });
    await finish(service, received, { run, active }, sink.outcome);
  };
}

async function finish(
  service: CodeService,
  { forwarded, response, receivedAtMs }: ReceivedCall<Buffer>,
  { run, active }: { readonly run: CodeRun; readonly active: ActiveRun },
  outcome: Promise<CodeOutcome>,
): Promise<void> {
  const { ledger, clock, config, runs } = service;
  const { runId, dialect, deadlineAtMs, keepsAnswer } = forwarded;
  const leave = () => {
    if (response.writableFinished || forwarded.outlivesCaller) return;
    active.callerLeft = true;
    run.abort();
  };
  response.once("close", leave);
  if (response.destroyed) leave();

  const outcomeOfCode = await outcome;
  const mostBytes = mostRecordedBytes(service, forwarded);
  const text = textOf(outcomeOfCode, mostBytes);
  const output = outputOf(outcomeOfCode, text, mostBytes);
  const isLost = output === null && outcomeOfCode.kind !== "failed" && isOutputOwed(forwarded);
  const ended = isLost ? withoutRecord(outcomeOfCode) : outcomeOfCode;
  run.end();
  runs.delete(runId);
  const error = ended.kind === "failed" ? errorOf(ended.failure) : null;
  if (ended.kind === "failed") logFailure(service, runId, ended);
  const usage = usageOnWire(run.usage);
  const codeMs = milliseconds(clock.now() - receivedAtMs);
  // The code's own time is all of it: what it asks of the model is in there.
  const timings = callTimings({ queueMs: 0, prefillMs: 0, decodeMs: codeMs }, forwarded, {
    receivedAtMs,
    submittedAtMs: receivedAtMs,
    nowMs: receivedAtMs + codeMs,
  });
  const context = {
    dialect,
    runId,
    runTimeMs: codeMs,
    modelId: forwarded.modelId ?? config.model_id,
    deploymentId: forwarded.deploymentId ?? config.deployment_id,
    usage,
    isBare: forwarded.isBare,
  };
  const kept = keepsAnswer ? wholeOf(ended, text, context) : null;
  const result = { usage: run.usage, error, sequences: [] };
  const number = ledger.finish(active, result, output?.value ?? null, timings, kept);
  // Acknowledged means committed: no last byte before it.
  const committed = await isCommitted(service, number, deadlineAtMs);
  if (response.destroyed) return;
  if (!committed && !response.headersSent) throw notCommitted();
  send(response, ended, text, { ...context, committed });
}

interface AnswerContext extends EnvelopeContext {
  readonly dialect: ReceivedCall["forwarded"]["dialect"];
}

interface SendContext extends AnswerContext {
  readonly committed: boolean;
}

/**
 * As text where it is short: it then leaves together with its headers, in one write. A response's own headers may hold
 * bytes that such a write would encode.
 */
function bodyOf(
  { head, body }: Extract<CodeOutcome, { kind: "value" }>,
  text: string | null,
  context: AnswerContext,
): Buffer | string {
  const isWrapped = head.is_response !== true && isJson(head);
  const isText = text !== null && body.length <= longestText && head.is_response !== true;
  const value = isText ? text : body;
  return isWrapped ? wrapValue(context.dialect, value, context) : value;
}

/** Null where it is too long to be kept, or the code failed. */
function wholeOf(ended: CodeOutcome, text: string | null, context: AnswerContext): WholeAnswer | null {
  if (ended.kind === "failed" || ended.body === null) return null;
  const type = headersOf(ended.head)["content-type"];
  const body = ended.kind === "value" ? bodyOf(ended, text, context) : ended.body;
  return wholeAnswer(ended.head.status, [type ?? "application/json"].flat()[0] ?? "", Buffer.from(body));
}

function send(response: ServerResponse, ended: CodeOutcome, text: string | null, context: SendContext): void {
  const { dialect, committed, runId } = context;
  if (ended.kind === "value") {
    const body = bodyOf(ended, text, context);
    const headers = headersOf(ended.head);
    headers["content-length"] = String(Buffer.byteLength(body));
    response.writeHead(ended.head.status, headers);
    response.end(body);
  } else if (ended.kind === "streamed") {
    if (committed) response.end();
    else response.destroy();
  } else if (!ended.begun) {
    const answer = failureAnswer(dialect, ended.failure, runId);
    response.writeHead(answer.status, {
      ...answer.headers,
      "content-length": Buffer.byteLength(answer.body),
    });
    response.end(answer.body);
  } else if (dialect === "baseten" && ended.failure.reason === "exception") {
    // As the Truss server does it: the stream just ends, and its status has been sent.
    response.end();
  } else {
    // A part must not be taken for the whole.
    response.destroy();
  }
}

const longestRecord = 256 * 1024;
/** In bytes, of an answer that is sent as text. */
const longestText = 64 * 1024;
const deepestRecord = 200;
/** The platform reads lines of 64 MiB; the rest of a report is an answer of 4 MiB at most. */
const longestReportedOutput = 48 * 1024 * 1024;
/** Most characters that one byte of an answer may become in a report: a control character in a string. */
const mostGrowth = 6;

/** Nobody has the result but the run's record: no caller waits for it, or it is sent on from there. */
function isOutputOwed({ isStored, queuedMs, keepsOutput, outlivesCaller }: ForwardedCall): boolean {
  return isStored && (queuedMs !== null || keepsOutput || outlivesCaller);
}

function mostRecordedBytes({ config }: CodeService, forwarded: ForwardedCall): number {
  const most = config.code?.limits.answer_bytes ?? longestRecord;
  return isOutputOwed(forwarded) ? Math.max(most, longestRecord) : longestRecord;
}

/** Null: there is no answer, it is no text, or it is too long to be kept. */
function textOf(ended: CodeOutcome, mostBytes: number): string | null {
  if (ended.kind === "failed" || ended.body === null || ended.body.length > mostBytes) return null;
  return isUtf8(ended.body) ? ended.body.toString("utf8") : null;
}

/** For the run's record; null: there is none, or it is too long to be kept. */
function outputOf(
  ended: CodeOutcome,
  text: string | null,
  mostBytes: number,
): { readonly value: unknown } | null {
  if (ended.kind === "failed" || ended.body === null || ended.body.length > mostBytes) return null;
  const value = recordOf(ended, ended.body, text);
  const isShort = ended.body.length * mostGrowth <= longestReportedOutput;
  return isShort || Buffer.byteLength(JSON.stringify(value)) <= longestReportedOutput ? { value } : null;
}

/** The value where it is JSON, the text where it is text, and anything else as base64. */
function recordOf(
  { kind, head }: Exclude<CodeOutcome, { kind: "failed" }>,
  body: Buffer,
  text: string | null,
): unknown {
  if (text === null) {
    const type = [headersOf(head)["content-type"]].flat()[0] ?? "application/octet-stream";
    return { content_type: type, base64: body.toString("base64") };
  }
  // Deeper values can be read, but writing them again takes more stack than there is.
  if (kind === "streamed" || !isJson(head) || jsonDepth(body) > deepestRecord) return text;
  try {
    return JSON.parse(text);
  } catch {
    // Python writes NaN, which is no JSON.
    return text;
  }
}

/** Who is owed a result must not be told that it is there. */
function withoutRecord(ended: CodeOutcome): CodeOutcome {
  const message = "The answer is too long to be kept, and its caller does not wait for it.";
  return { kind: "failed", failure: { reason: "too_large", message }, begun: ended.kind === "streamed" };
}

function isJson({ headers }: AnswerMessage): boolean {
  return headers.some(([name, value]) => name === "content-type" && /^application\/json\b/.test(value));
}

/** Of the caller's own headers only what is no secret and none of ours. */
function requestOf({ request, forwarded }: ReceivedCall<Buffer>) {
  const headers = requestHeaders(request, forwarded.runId);
  return { method: request.method ?? "POST", url: request.url ?? "/", headers };
}

export function requestHeaders(request: IncomingMessage, runId: string): [string, string][] {
  const headers: [string, string][] = [];
  for (const name of Object.keys(request.headers)) {
    const value = request.headers[name];
    if (value === undefined || hiddenHeaders.has(name) || name.startsWith("x-corral-")) continue;
    if (typeof value === "string") headers.push([name, value]);
    else for (const one of value) headers.push([name, one]);
  }
  headers.push(["x-baseten-request-id", runId]);
  return headers;
}

const hiddenHeaders: ReadonlySet<string> = new Set(["authorization", "cookie", "x-baseten-request-id"]);

function timeLeft(service: CodeService, { forwarded }: ReceivedCall<Buffer>): number {
  const { callMs } = service.limits;
  if (forwarded.deadlineAtMs === null) return callMs;
  const leftMs = Math.floor(forwarded.deadlineAtMs - service.clock.now());
  if (leftMs <= 0) throw timedOut();
  return Math.min(callMs, leftMs);
}

function timedOut(): ServingError {
  return new ServingError("timeout", "The call's time was over before the model's code could begin.");
}

function logFailure(
  { log }: CodeService,
  runId: string,
  { failure }: Extract<CodeOutcome, { kind: "failed" }>,
): void {
  if (failure.reason === "canceled") return;
  const traceback =
    "traceback" in failure && failure.traceback !== undefined ? { traceback: failure.traceback } : {};
  const level = failure.reason === "http" || failure.reason.startsWith("invalid_") ? "debug" : "error";
  log[level]("the code did not answer a call", {
    run_id: runId,
    reason: failure.reason,
    detail: failure.message,
    ...traceback,
  });
}
