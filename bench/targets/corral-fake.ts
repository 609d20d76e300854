// Corral as it is — gateway, keys, PostgreSQL, control channel, replica, engine — with the fake model, so that what
// is measured is the way and not the arithmetic. After `--`: `unrecorded` for a platform that writes nothing of runs,
// which no setting of a real one does.

import { fileURLToPath } from "node:url";
import { startTestPlatform, type RunRecorder } from "@corral/platform/testing";
import { readSettings } from "./entry.ts";
import { announce } from "./target.ts";

const forgetful: RunRecorder = {
  record: (_replicaId, reports) => Promise.resolve(reports.at(-1)?.number ?? 0),
  close: () => Promise.resolve(),
};
const replica = fileURLToPath(new URL("../../packages/runtime/src/testing/fake-replica.ts", import.meta.url));
const platform = await startTestPlatform({
  replicaMain: replica,
  integrityChecks: "never",
  durable: true,
  // As often as a platform that serves.
  queueOptions: {},
  senderPollMs: 500,
  ...(readSettings().flags.includes("unrecorded") ? { recorder: forgetful } : {}),
});
await platform.deploy("fake");
announce({
  url: `${platform.url}/models/fake/predict`,
  headers: { authorization: `Api-Key ${platform.adminKey}` },
});
process.once("SIGTERM", () => void platform[Symbol.asyncDispose]().then(() => process.exit(0)));
