// What the gateway says about the bytes it forwards: the headers of a predict request as checked values.

import { dialects, forwardedHeaders, ServingError, storedIfAsked, type Dialect } from "@corral/contract";
import type { IncomingHttpHeaders } from "node:http";

export interface ForwardedCall {
  readonly runId: string;
  readonly dialect: Dialect;
  readonly projectId: string;
  readonly keyId: string | null;
  readonly priority: number;
  /** Milliseconds since the epoch, or null. */
  readonly deadlineAtMs: number | null;
  /** How long the call waited for the model to be loaded. */
  readonly loadMs: number;
  /** How long it was in the queue; null: its caller waits for it. */
  readonly queuedMs: number | null;
  readonly modelId: string | null;
  readonly deploymentId: string | null;
  /** Null: no cap. */
  readonly tokenCap: number | null;
  /** The key's share among others. */
  readonly weight: number;
  /** What the call may take is reserved before it begins. */
  readonly hasBudget: boolean;
  readonly acceptsEventStream: boolean;
  /** Nothing stands around what the model answers. */
  readonly isBare: boolean;
  /** How many runs of code lead to this one. */
  readonly depth: number;
  /** False: the run's output is not kept. */
  readonly isStored: boolean;
  /** It is kept all the same where the body asks for it. */
  readonly storesIfAsked: boolean;
  /** Its result is sent to somebody who has nothing but the run's output. */
  readonly keepsOutput: boolean;
  /** Somebody may follow the run's text though its call does not stream. */
  readonly isFollowed: boolean;
  /** How often the run was tried before. */
  readonly attempt: number;
  /** The answer is kept whole, for the same call sent again. */
  readonly keepsAnswer: boolean;
  /** The run goes on where its caller's connection ends. */
  readonly outlivesCaller: boolean;
  /** When the call came to the gateway, in milliseconds since the epoch, or null. */
  readonly arrivedAtMs: number | null;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Fails with `invalid_parameter`: only a gateway calls a replica, so a missing header is its mistake. */
export function readForwardedCall(headers: IncomingHttpHeaders): ForwardedCall {
  const runId = readText(headers, forwardedHeaders.runId);
  if (runId === null || !uuid.test(runId)) throw wrong(forwardedHeaders.runId, runId, "a UUID");
  const dialect = readDialect(headers);
  if (dialect === null) {
    throw wrong(forwardedHeaders.dialect, readText(headers, forwardedHeaders.dialect), dialects.join(", "));
  }
  const projectId = readText(headers, forwardedHeaders.project);
  if (projectId === null) throw wrong(forwardedHeaders.project, projectId, "a project's id");
  return {
    runId,
    dialect,
    projectId,
    keyId: readText(headers, forwardedHeaders.key),
    priority: readInteger(headers, forwardedHeaders.priority) ?? 0,
    deadlineAtMs: readInteger(headers, forwardedHeaders.deadline),
    loadMs: readInteger(headers, forwardedHeaders.load) ?? 0,
    queuedMs: readInteger(headers, forwardedHeaders.queued),
    modelId: readText(headers, forwardedHeaders.model),
    deploymentId: readText(headers, forwardedHeaders.deployment),
    tokenCap: readInteger(headers, forwardedHeaders.tokenCap),
    weight: Math.max(1, readInteger(headers, forwardedHeaders.weight) ?? 1),
    hasBudget: readText(headers, forwardedHeaders.budget) === "1",
    acceptsEventStream: (headers.accept ?? "").toLowerCase().includes("text/event-stream"),
    isBare: readText(headers, forwardedHeaders.bare) === "1",
    depth: readInteger(headers, forwardedHeaders.depth) ?? 0,
    isStored: readText(headers, forwardedHeaders.store) === null,
    storesIfAsked: readText(headers, forwardedHeaders.store) === storedIfAsked,
    keepsOutput: readText(headers, forwardedHeaders.keepOutput) === "1",
    isFollowed: readText(headers, forwardedHeaders.followed) === "1",
    attempt: readInteger(headers, forwardedHeaders.attempt) ?? 0,
    keepsAnswer: readText(headers, forwardedHeaders.keepAnswer) === "1",
    outlivesCaller: readText(headers, forwardedHeaders.onDisconnect) === "continue",
    arrivedAtMs: readInteger(headers, forwardedHeaders.arrived),
  };
}

/** The family that an answer speaks, or null; also for answers to calls that cannot be read. */
export function readDialect(headers: IncomingHttpHeaders): Dialect | null {
  const text = readText(headers, forwardedHeaders.dialect);
  return dialects.find((dialect) => dialect === text) ?? null;
}

function readInteger(headers: IncomingHttpHeaders, name: string): number | null {
  const text = readText(headers, name);
  if (text === null) return null;
  if (!/^-?\d{1,15}$/.test(text)) throw wrong(name, text, "an integer");
  return Number(text);
}

function readText(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value : null;
}

function wrong(name: string, value: string | null, expected: string): ServingError {
  const given = value === null ? "missing" : JSON.stringify(value.slice(0, 60));
  return new ServingError("invalid_parameter", `Header ${name} is ${given}; the gateway sends ${expected}.`);
}
