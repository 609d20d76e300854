import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { ServingError } from "@corral/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Dispatcher } from "undici";
import { forwardCall, type AddressedCall, type PredictServices } from "./forward-call.ts";

/** A call with a webhook, and nothing behind it but what is given. */
function setUp({ headers = {} }: { readonly headers?: Record<string, string> } = {}) {
  const raw = Object.assign(new PassThrough(), { headers: {}, complete: true });
  const response = Object.assign(new EventEmitter(), {
    headersSent: false,
    destroyed: false,
    statusCode: 200,
    destroy: () => {},
  });
  const log = { warn: () => {}, error: () => {} };
  const principal = { projectId: "p", keyId: "k", models: null, tokenCap: null, hasBudget: false, weight: 1 };
  const leave: (options?: unknown, handler?: Dispatcher.DispatchHandler) => void = () => {
    response.destroyed = true;
    response.emit("close");
  };
  const replica = {
    id: "r",
    token: null,
    ready: true,
    inFlightCount: 0,
    // The caller leaves once the replica has the whole call.
    upstream: {
      inFlightCount: 0,
      dispatcher: { dispatch: leave },
    },
  };
  const ended: string[] = [];
  const state = { places: 0, replicas: [replica] };
  const services = {
    replicasOf: async () => state.replicas,
    newRunId: () => "run",
    nowMs: Date.now,
    loads: {
      arrived: () => {},
      ended: () => {},
      waitMs: 60_000,
      pingMs: 60_000,
      wait: () => {
        state.places += 1;
        state.replicas = [replica];
        return { loaded: async () => {}, [Symbol.dispose]: () => (state.places -= 1) };
      },
    },
    queue: { expect: async () => {}, endUnbegun: async (runId: string) => void ended.push(runId) },
  };
  const request = { principal, headers, raw, log, url: "/", routeOptions: { config: {} } };
  const call = {
    dialect: "corral",
    path: "/predict",
    target: { id: "d", modelId: "m", modelName: "m", name: "d", status: "active" },
    body: Buffer.from("{}"),
    webhook: { url: "https://example.com/", dialect: "corral", secret: null },
  };
  const forward = () =>
    forwardCall(
      services as unknown as PredictServices,
      request as unknown as FastifyRequest,
      { raw: response, hijack: () => {} } as unknown as FastifyReply,
      call as unknown as AddressedCall,
    );
  /** Instead of a caller who leaves: what the replica answers. */
  const answer = (
    status: number,
    answered: Readonly<Record<string, string>>,
    onHeaders: (headers: Record<string, unknown>) => void,
  ) => {
    Object.assign(response, {
      statusCode: status,
      writeHead: (_status: number, passed: Record<string, unknown>) => onHeaders(passed),
      flushHeaders: () => {},
      end: () => {},
    });
    replica.upstream.dispatcher.dispatch = (_options?: unknown, handler?: Dispatcher.DispatchHandler) => {
      handler?.onResponseStart?.({} as Dispatcher.DispatchController, status, answered);
      handler?.onResponseEnd?.({} as Dispatcher.DispatchController, {});
    };
  };
  return { services, state, ended, forward, answer };
}

test("a call whose run cannot be written down gives up its place among those who wait", async () => {
  const { services, state, forward } = setUp();
  state.replicas = [];
  services.queue.expect = async () => {
    throw new ServingError("database_unavailable", "away");
  };
  await assert.rejects(forward(), { code: "database_unavailable" });
  assert.equal(state.places, 0);
});

test("a run that its replica says it never began is ended with its answer, any other 503 leaves it to its reports", async () => {
  for (const [headers, ended] of [
    [{ "x-corral-unbegun": "1" }, ["run"]],
    [{}, []],
  ] as const) {
    const call = setUp();
    const told: Record<string, unknown>[] = [];
    call.answer(503, headers, (passed) => told.push(passed));
    await call.forward();
    assert.deepEqual(call.ended, ended);
    assert.deepEqual(
      Object.keys(told[0] ?? {}).filter((name) => name === "x-corral-unbegun"),
      [],
    );
  }
});

test("a run that goes on without its caller is not ended when its caller leaves, any other one is", async () => {
  const staying = setUp({ headers: { "x-corral-on-disconnect": "continue" } });
  await staying.forward();
  assert.deepEqual(staying.ended, []);
  const leaving = setUp();
  await leaving.forward();
  assert.deepEqual(leaving.ended, ["run"]);
});
