import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startTestCode } from "../testing/code-worker.ts";
import { withEnvironment } from "./with-environment.ts";

const path = process.env["PATH"] ?? "";

test("a program has exactly the environment that it is given, whatever stands in it", (t) => {
  const given = {
    PATH: "/bin/none",
    WORDS: "two words 'quoted' \"twice\" $PATH `id` \\n",
    LINES: "one\ntwo\n",
    EMPTY: "",
    IFS: ",",
    UID: "7",
    "my-name": "dash",
    text: "kept",
    ÜMLAUT: "ü",
  };
  const own = withEnvironment(given, path);
  if (own === null) return t.skip("this system has no shell");
  const [shell = "", ...words] = own.words;
  const show = "process.stdout.write(JSON.stringify(process.env))";
  const run = spawnSync(shell, [...words, process.execPath, "-e", show], { env: {}, input: own.input });
  assert.equal(run.stderr.toString(), "");
  assert.deepEqual(JSON.parse(run.stdout.toString()), given);
});

test("neither a search path nor a library of the author's gets into what starts the code", async (t) => {
  const tools = mkdtempSync(join(tmpdir(), "corral-tools-"));
  const told = join(tools, "told");
  for (const name of ["mount", "mkdir", "setpriv", "unshare", "prlimit", "sh"]) {
    writeFileSync(join(tools, name), `#!/bin/sh\necho ${name} >> ${told}\nexit 1\n`);
    chmodSync(join(tools, name), 0o755);
  }
  try {
    await using code = await startTestCode({
      hidden: ["/var/empty"],
      variables: { PATH: `${tools}:${path}`, LD_PRELOAD: join(tools, "no-such-library.so") },
      files: { "model/model.ts": `export const predict = () => [process.env.PATH, process.env.LD_PRELOAD];` },
    });
    if (code.source().process.isolation === null)
      return t.skip("this system gives an ordinary user no namespaces");
    const found = JSON.parse((await code.call({})).text) as string[];
    assert.deepEqual(found, [`${tools}:${path}`, join(tools, "no-such-library.so")]);
    assert.ok(!existsSync(told), "no tool of the author's has run");
    const complaints = code.logLines.filter(({ message }) => /cannot be preloaded/.test(String(message)));
    assert.equal(complaints.length, 1, "the program alone was told of the library");
  } finally {
    rmSync(tools, { recursive: true, force: true });
  }
});
