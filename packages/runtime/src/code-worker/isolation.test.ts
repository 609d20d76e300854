import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { canIsolate, isolatingWords } from "./isolation.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "corral-isolation-")));
for (const name of ["work", "scratch", "hidden/kept"]) mkdirSync(join(root, name), { recursive: true });
writeFileSync(join(root, "hidden/secret"), "no");
writeFileSync(join(root, "hidden/kept/file"), "of the version\n");
const options = {
  workingDirectory: join(root, "work"),
  scratchDirectory: join(root, "scratch"),
  hidden: [join(root, "hidden")],
  kept: [join(root, "hidden/kept")],
  mounts: [],
  path: process.env["PATH"] ?? "",
};
const skip = canIsolate(options) ? false : "this system lets an ordinary user make no namespaces";
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

function shell(script: string, places: readonly string[]): string {
  const mounts = places.map((place) => ({ directory: join(root, "hidden/kept"), place }));
  const [program = "", ...args] = isolatingWords({ ...options, mounts }) ?? [];
  const { stdout, stderr } = spawnSync(program, [...args, "/bin/sh", "-c", script], {
    env: { PATH: options.path },
    cwd: options.workingDirectory,
    encoding: "utf8",
  });
  return stdout + stderr;
}

test(
  "a kept directory is seen at places of the author's too, which the machine does not get",
  { skip },
  () => {
    const places = ["/app/model_cache/tiny", "/usr/share/corral-test/a b", join(root, "hidden/kept/inner")];
    const usual = readdirSync("/usr/share");
    const [app = "", usr = ""] = places;
    const said = shell(
      `cat ${app}/file '${usr}/file'; pwd; ls ${root}/hidden; ls /usr/share | wc -l`,
      places.slice(0, 2),
    );
    const [first, second, third, hidden, count] = said.split("\n");
    assert.deepEqual([first, second], ["of the version", "of the version"], said);
    assert.deepEqual([third, hidden], [options.workingDirectory, "kept"], said);
    assert.equal(Number(count), usual.length + 1, said);
    assert.deepEqual(readdirSync("/usr/share"), usual);
  },
);

test("what is mounted cannot be written to, and the scratch directory can", { skip }, () => {
  const script = `echo x > /app/model_cache/tiny/new; echo x > /tmp/new && cat ${options.scratchDirectory}/new; mount -t tmpfs none /mnt`;
  const said = shell(script, ["/app/model_cache/tiny"]);
  assert.match(said, /tiny\/new: Read-only file system/);
  assert.match(said, /^x$/m);
  assert.match(said, /mount: /);
});
