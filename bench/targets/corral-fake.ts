// Corral as it is — gateway, keys, PostgreSQL, control channel, replica, engine — with the fake model, so that what
// is measured is the way and not the arithmetic.

import { fileURLToPath } from "node:url";
import { startTestPlatform } from "@corral/platform/testing";
import { announce } from "./target.ts";

const replica = fileURLToPath(new URL("../../packages/runtime/src/testing/fake-replica.ts", import.meta.url));
const platform = await startTestPlatform({
  replicaMain: replica,
  integrityChecks: "never",
  durable: true,
});
await platform.deploy("fake");
announce({
  url: `${platform.url}/models/fake/predict`,
  headers: { authorization: `Api-Key ${platform.adminKey}` },
});
process.once("SIGTERM", () => void platform[Symbol.asyncDispose]().then(() => process.exit(0)));
