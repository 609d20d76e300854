import assert from "node:assert/strict";
import { before, test } from "node:test";
import { processorOf } from "@corral/weights";
import type { Deployment, ProblemDetails } from "@corral/contract";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
let freeBytes = 50e6;
before(async () => {
  const processor = processorOf("x64", null);
  platform = await startTestPlatform({ memory: () => ({ freeBytes, processor }) });
});
test("a model without room is refused before anything starts, and deployed once there is room", async () => {
  const body = { source: "corral-tiny-2", name: "tight", context_length: 1024, precision: "default" };
  const refused = await platform.post("/api/v1/deployments", body);
  assert.equal(refused.status, 422);
  const problem = (await refused.json()) as ProblemDetails;
  assert.equal(problem.code, "model_too_large");
  assert.match(problem.detail, /needs \d+ MB of 50 MB free/);
  assert.equal((await platform.request("/api/v1/deployments/tight")).status, 404);

  freeBytes = 1e9;
  const created = await platform.post("/api/v1/deployments", body);
  assert.equal(created.status, 201, await created.clone().text());
  const { id } = (await created.json()) as Deployment;
  const again = await platform.post("/api/v1/deployments", body);
  assert.equal(((await again.json()) as Deployment).id, id);
});

test("the platform ends", async () => {
  await platform[Symbol.asyncDispose]();
});
