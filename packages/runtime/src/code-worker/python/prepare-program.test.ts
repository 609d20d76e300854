import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createLog } from "../../log.ts";
import type { RunCommand } from "../../python-environment/run-command.ts";
import { createNoteUsed } from "../used-places.ts";
import { preparePythonProgram } from "./prepare-program.ts";

/** An installer that makes what an environment has. */
const run: RunCommand = async (_program, args) => {
  await mkdir(join(args.at(-1) ?? "", "bin"), { recursive: true });
  return { kind: "exited", code: 0, lines: [] };
};

test("an environment is written down as used before files are fetched, and those are once they are there", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "corral-prepare-"));
  let isThere = false;
  const server = createServer((_request, response) => response.writeHead(isThere ? 200 : 404).end("content"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(root, { recursive: true, force: true });
  });
  const home = join(root, "python");
  for (const name of ["bundle", "data", "scratch"]) await mkdir(join(root, name));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
  const prepare = () =>
    preparePythonProgram(
      {
        version: null,
        strict: false,
        requirements: [],
        requirements_file: null,
        external_data: [{ url, local_data_path: "file" }],
        hub_files: [],
        bundle_digest: "d".repeat(64),
        home,
      },
      {
        directory: join(root, "bundle"),
        dataDirectory: join(root, "data"),
        scratchDirectory: join(root, "scratch"),
        secrets: {},
        cudaOnCpu: false,
        own: { PATH: process.env["PATH"], CORRAL_EGRESS_ALLOW: "127.0.0.1" },
        log: createLog("error", () => {}),
        noteUsed: createNoteUsed("d1"),
        signal: new AbortController().signal,
        hidden: [],
        prepare: {
          run,
          interpreters: [{ path: "/usr/bin/python3.11", version: [3, 11, 7], platform: "linux-x86_64" }],
        },
      },
    );
  const noted = () =>
    readFileSync(join(home, "used", "d1"), "utf8")
      .trimEnd()
      .split("\n");
  await assert.rejects(prepare(), { code: "external_data_failed" });
  const [environment = ""] = noted();
  assert.match(environment, /^environments\/[0-9a-f]{32}$/);
  isThere = true;
  await prepare();
  const [again, own, kept, ...others] = noted();
  assert.deepEqual([again, own, others], [environment, `files/${"d".repeat(32)}`, []]);
  assert.match(kept ?? "", /^external-data\/[0-9a-f]{64}$/);
});
