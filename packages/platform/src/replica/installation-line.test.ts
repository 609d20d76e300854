import assert from "node:assert/strict";
import { test } from "node:test";
import { installationLine } from "./installation-line.ts";

const kept = (line: string) => ({ at: "", replica_id: "r", line });

test("who waits is told what the installation says now, and nothing that the code printed", () => {
  const installing = kept('{"level":"info","message":"Installing 3 packages","from":"installation"}');
  const printed = kept('{"level":"info","message":"\\"installation\\"","from":"code"}');
  assert.equal(installationLine([printed, installing]), "Installing 3 packages");
  assert.equal(installationLine([installing, printed]), null);
  assert.equal(installationLine([kept('no JSON "installation"')]), null);
  assert.equal(installationLine([]), null);
});
