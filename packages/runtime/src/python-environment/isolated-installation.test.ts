// A requirement whose build runs code: what that code reaches.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findInterpreters } from "./find-interpreters.ts";
import { isolateInstallation } from "./isolate-installation.ts";
import { preparePythonEnvironment } from "./prepare-environment.ts";
import { runCommand } from "./run-command.ts";

const path = process.env["PATH"] ?? "";
const backend = (secret: string, spoilt: string) => `
import os, sys, zipfile
def tell(what):
    print(what, file=sys.stderr, flush=True)
try:
    tell("KEY " + open(${JSON.stringify(secret)}).read())
except OSError as error:
    tell("KEY hidden")
try:
    open(${JSON.stringify(spoilt)}, "w").write("x")
except OSError as error:
    tell("REFUSED")
planted = os.path.join(os.environ["HOME"], "../../corral-environment.json")
if not os.path.lexists(planted):
    os.symlink(${JSON.stringify(secret)}, planted)
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("evil.py", "word = 'installed'")
        wheel.writestr("evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: evil\\nVersion: 1.0\\n")
        wheel.writestr("evil-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("evil-1.0.dist-info/RECORD", "")
    return name
`;

test("a package that is built sees nothing of the platform's and writes to its own place", async (t) => {
  const interpreters = await findInterpreters({ run: runCommand, environment: process.env });
  const root = mkdtempSync(join(tmpdir(), "corral-install-"));
  const [home, bundle] = [join(root, "home"), join(root, "bundle")];
  const python = join(home, "python");
  const secret = join(home, "admin-key");
  mkdirSync(join(bundle, "evil"), { recursive: true });
  mkdirSync(python, { recursive: true });
  writeFileSync(secret, "corral_secret");
  writeFileSync(
    join(bundle, "evil", "pyproject.toml"),
    `[project]\nname = "evil"\nversion = "1.0"\n[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n`,
  );
  writeFileSync(join(bundle, "evil", "backend.py"), backend(secret, join(python, "spoilt")));
  const lines: string[] = [];
  try {
    const isolate = isolateInstallation([home], path);
    if (
      isolate({ bundleDirectory: bundle, writable: python, kept: [] }) === null ||
      interpreters.length === 0
    )
      return t.skip("this system gives an ordinary user no namespaces, or there is no Python");
    const made = await preparePythonEnvironment(
      {
        bundleDirectory: bundle,
        bundleDigest: "d",
        pythonVersion: null,
        strictPython: false,
        requirements: ["./evil"],
        requirementsFile: null,
      },
      {
        directory: python,
        // No registry is asked.
        environment: { PATH: path, PIP_NO_INDEX: "1", UV_OFFLINE: "1" },
        isolate,
        onProgress: (line) => lines.push(line),
      },
    ).catch((error: Error) => assert.fail(`${error.message}\n${lines.join("\n")}`));
    assert.ok(!existsSync(join(python, "spoilt")));
    assert.ok(!readdirSync(join(made.python, "../..")).includes(".build"));
    const shown = await runCommand(made.python, ["-c", "import evil; print(evil.word)"], {
      environment: {},
      timeoutMs: 20_000,
    });
    assert.deepEqual(shown.lines, ["installed"]);
    assert.doesNotMatch(lines.join("\n"), /corral_secret/);
    assert.equal(readFileSync(secret, "utf8"), "corral_secret");
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
