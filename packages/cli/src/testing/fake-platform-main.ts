// Stands for packages/platform/src/main.ts in tests of `corral up`: tells its arguments, plays the events of a start,
// serves the fake API and ends on a signal.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fakeDeployment, fakeKey, startFakePlatform } from "./fake-platform.ts";

const { values } = parseArgs({
  options: {
    home: { type: "string" },
    host: { type: "string" },
    port: { type: "string" },
    output: { type: "string" },
    quickstart: { type: "boolean" },
  },
});
const tell = (event: Record<string, unknown>) => void process.stdout.write(`${JSON.stringify(event)}\n`);

if (values.port === "1") {
  tell({ event: "error", code: "conflict", message: "Port 1 is taken; give another with --port." });
  process.stderr.write("a line of the log\n");
  process.exit(7);
}
const platform = await startFakePlatform();
const home = values.home ?? ".";
mkdirSync(home, { recursive: true });
// Ports 2 and 3: the database's key was made from another home, and this one has none or an old one.
if (values.port === "2") rmSync(join(home, "admin-key"), { force: true });
else writeFileSync(join(home, "admin-key"), values.port === "3" ? "corral_of_before\n" : `${fakeKey}\n`);
platform.answers.set("GET /api/v1/deployments", {
  items: [
    fakeDeployment(),
    fakeDeployment({
      id: "dep_two",
      name: "corral-tiny-2",
      model_name: "corral-tiny-2",
      identifiers: ["llamav2-7b", "llamav2-7b-chat"],
    }),
  ],
  next_cursor: null,
});
process.once("SIGTERM", () => {
  tell({ event: "stopping" });
  process.exit(3);
});
process.once("SIGINT", () => process.exit(0));
tell({ event: "postgres_ready", embedded: true, ms: 5 });
process.stdout.write("a line that is no event\n");
if (values.port === undefined) tell({ event: "admin_key", key: fakeKey, path: join(home, "admin-key") });
tell({ event: "listening", url: platform.url });
tell({ event: "deployment", name: "corral-tiny-3", status: "active", detail: null });
tell({ event: "ready", url: platform.url, ms: 9 });
