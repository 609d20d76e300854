import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { builtInCatalogue } from "@corral/weights";
import { pino } from "pino";
import { openTestStore } from "../store/testing.ts";
import { createClosing } from "./closing.ts";
import { openFiles } from "./open-files.ts";

test("what models left unused in a home goes at the start, unless the home is another database's", async (t) => {
  const { db } = await openTestStore();
  const home = mkdtempSync(join(tmpdir(), "corral-files-"));
  const log = pino({ level: "silent" });
  const closing = createClosing(log);
  t.after(async () => {
    await closing.close();
    rmSync(home, { recursive: true, force: true });
  });
  const environment = join(home, "python/environments/unused");
  mkdirSync(environment, { recursive: true });
  utimesSync(environment, new Date(0), new Date(0));
  const open = () =>
    openFiles({
      home,
      db,
      platformId: "p",
      log,
      now: () => new Date(),
      closing,
      limits: { fileCount: 10, fileBytes: 1 << 20, totalBytes: 1 << 20 },
      modelRoots: [],
      catalogue: builtInCatalogue,
    });
  writeFileSync(join(home, "database-id"), "another\n");
  assert.equal((await open()).areOurs, false);
  assert.ok(existsSync(environment));
  rmSync(join(home, "database-id"));
  assert.equal((await open()).areOurs, true);
  assert.ok(!existsSync(environment));
});
