import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentOf, type NamedDeployment } from "./model-name.ts";

const deployment = (id: string, changes: Partial<NamedDeployment> = {}): NamedDeployment => ({
  id,
  model_id: "m1",
  development: false,
  deployed_at: new Date(1_000),
  production: false,
  settings: {},
  ...changes,
});

test("a deployment is in production where it has its model's name, or takes it when it begins to answer", () => {
  const holder = deployment("a", { production: true, deployed_at: new Date(2_000) });
  const later = deployment("b", { deployed_at: new Date(3_000) });
  const earlier = deployment("c");
  const notPromoted = deployment("d", { deployed_at: new Date(3_000), settings: { promote: false } });
  const otherModel = deployment("e", { model_id: "m2", settings: { promote: false } });
  const development = deployment("f", { development: true, deployed_at: new Date(3_000) });
  const all = [holder, later, earlier, notPromoted, otherModel, development];
  const inProduction = all.filter((one) => environmentOf(one, all) === "production");
  assert.deepEqual(inProduction, [holder, later, otherModel]);
});

test("a development deployment is in no environment, though it has its model's name, and gives way to any other", () => {
  const development = deployment("a", { development: true, production: true, deployed_at: new Date(9_000) });
  const pushed = deployment("b", { settings: { promote: false } });
  assert.equal(environmentOf(development, [development, pushed]), null);
  assert.equal(environmentOf(pushed, [development, pushed]), "production");
});
