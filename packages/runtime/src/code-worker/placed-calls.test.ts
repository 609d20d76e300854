// What a call is told while no worker has it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createPlacedCalls } from "./placed-calls.ts";
import type { CodeCall } from "./worker-calls.ts";
import type { WorkerLife } from "./worker-life.ts";

test("messages of a websocket, and its end, wait with their call and keep their order", () => {
  const said: string[] = [];
  const life = {
    isAccepting: true,
    call: () => ({
      input: (body: Uint8Array) => (said.push(Buffer.from(body).toString()), true),
      inputEnd: (code: number) => void said.push(String(code)),
    }),
  } as unknown as WorkerLife;
  let current: WorkerLife | null = null;
  const calls = createPlacedCalls({ queueLength: 1, current: () => current, isStopped: () => false });
  const call = { timeoutMs: null, sink: { drained: () => said.push("drained") } } as unknown as CodeCall;
  const running = calls.place(call);
  assert.equal(running.input(Buffer.from("a"), true), true);
  assert.equal(running.input(Buffer.from("b"), true), true);
  running.inputEnd(1001);
  assert.equal(running.input(Buffer.alloc(1024 ** 2), false), false, "it has to wait");
  current = life;
  calls.placeWaiting();
  assert.deepEqual([...said.slice(0, 3), said.at(-1)], ["a", "b", "1001", "drained"]);
});
