import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { allowedWeightsPath } from "./weights-root.ts";

const base = realpathSync(mkdtempSync(join(tmpdir(), "corral-roots-")));
after(() => rmSync(base, { recursive: true, force: true }));
const root = join(base, "models");
mkdirSync(root);
mkdirSync(join(base, "models-elsewhere"));
writeFileSync(join(root, "a.gguf"), "");
writeFileSync(join(base, "secret.gguf"), "");
writeFileSync(join(base, "models-elsewhere", "b.gguf"), "");
symlinkSync(join(base, "secret.gguf"), join(root, "escape.gguf"));
symlinkSync(base, join(root, "up"));
symlinkSync(join(root, "a.gguf"), join(root, "inside.gguf"));
symlinkSync(root, join(base, "linked-root"));

test("files under a root are taken, also through links that stay inside", async () => {
  assert.equal(await allowedWeightsPath(join(root, "a.gguf"), [root]), join(root, "a.gguf"));
  assert.equal(await allowedWeightsPath(join(root, "inside.gguf"), [root]), join(root, "a.gguf"));
  assert.equal(
    await allowedWeightsPath(join(base, "linked-root", "a.gguf"), [join(base, "linked-root")]),
    join(root, "a.gguf"),
  );
});

test("files outside are refused: by path, by link, by .., by a root's name as a prefix", async () => {
  for (const path of [
    join(base, "secret.gguf"),
    join(root, "escape.gguf"),
    join(root, "up", "secret.gguf"),
    `${root}/../secret.gguf`,
    join(base, "models-elsewhere", "b.gguf"),
    "relative.gguf",
    `${root}/a.gguf\0`,
  ]) {
    await assert.rejects(allowedWeightsPath(path, [root]), { code: "invalid_parameter" }, path);
  }
});

test("a file that is not there is told only inside a root", async () => {
  await assert.rejects(allowedWeightsPath(join(root, "none.gguf"), [root]), { code: "weights_missing" });
  await assert.rejects(allowedWeightsPath(join(base, "none.gguf"), [root]), { code: "invalid_parameter" });
});
