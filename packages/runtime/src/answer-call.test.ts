import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";
import { ServingError } from "@corral/contract";
import { answerCall, type CallService, type CarryOut } from "./answer-call.ts";
import { RunLedger, startOf } from "./run-ledger.ts";

interface Service extends CallService {
  readonly ledger: RunLedger;
}

const begin: CarryOut<Service, string> = async (admit, { forwarded }) => {
  const handle = {
    usage: { promptTokenCount: 0, cachedTokenCount: 0, generatedTokenCount: 0 },
    abort: () => {},
  };
  const run = admit().ledger.begin({ ...startOf(forwarded), promptTokenCount: 0, sequenceCount: 1, handle });
  const timings = { queue: 0, load: 0, prefill: 0, decode: 0, total: 0 };
  admit().ledger.finish(run, { usage: handle.usage, error: null, sequences: [] }, null, timings);
  throw new ServingError("database_unavailable", "The record is late.");
};

/** The answer's status and headers. */
async function answered(admits: boolean, carryOut: CarryOut<Service, string>) {
  const ledger = new RunLedger({ report: () => 1, unacknowledgedCount: 0 });
  const service = {
    ledger,
    clock: { now: () => 0 },
    config: { limits: { body_bytes: 10 } },
  } as unknown as Service;
  const admit = () => {
    if (admits) return service;
    throw new ServingError("shutting_down", "It ends.");
  };
  const headers = {
    "x-corral-run-id": randomUUID(),
    "x-corral-dialect": "corral",
    "x-corral-project": "default",
  };
  const request = { headers, url: "/predict", resume: () => {} } as unknown as IncomingMessage;
  let told: readonly [number, Record<string, unknown>] = [0, {}];
  const response = {
    writeHead: (status: number, sent: Record<string, unknown>) => (told = [status, sent]),
    end: () => {},
  } as unknown as ServerResponse;
  const log = { error: () => {}, debug: () => {} } as never;
  await answerCall(admit, request, response, log, async () => "{}", carryOut);
  return told;
}

test("a refusal says that no run was begun, unless one was, though it is over by then", async () => {
  const refuse = async () => {
    throw new ServingError("deployment_not_ready", "The platform is lost.");
  };
  for (const [admits, carryOut, isUnbegun] of [
    [true, refuse, true],
    [false, refuse, true],
    [true, begin, false],
  ] as const) {
    const [status, headers] = await answered(admits, carryOut);
    assert.equal(status, 503);
    assert.equal(headers["x-corral-unbegun"], isUnbegun ? "1" : undefined);
  }
});
