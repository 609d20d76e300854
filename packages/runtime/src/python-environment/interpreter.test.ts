import assert from "node:assert/strict";
import { test } from "node:test";
import { choosePython, minorVersion, type Interpreter } from "./interpreter.ts";

const python = (minor: number, patch = 1): Interpreter => ({
  path: `/usr/bin/python3.${minor}`,
  version: [3, minor, patch],
  platform: "linux-x86_64",
});

const choose = (found: readonly Interpreter[], version: string | null, isStrict = false) => {
  const choice = choosePython(found, { version, isStrict });
  return choice.kind === "refused"
    ? choice.reason
    : { version: choice.interpreter.version.join("."), warning: choice.warning };
};

test("a python_version is read in each of its spellings", () => {
  assert.deepEqual(["py311", "3.11", "311", "py3.9", "py27", "latest"].map(minorVersion), [
    11,
    11,
    11,
    9,
    null,
    null,
  ]);
});

test("the wanted version is taken, and of it the newest patch", () => {
  const found = [python(11, 2), python(11, 7), python(12)];
  assert.deepEqual(choose(found, "py311"), { version: "3.11.7", warning: null });
});

test("without it the nearest newer one is taken, with a warning", () => {
  assert.deepEqual(choose([python(9), python(13), python(12)], "py310"), {
    version: "3.12.1",
    warning: "Python 3.10 is not on this machine; the model runs on Python 3.12.1.",
  });
});

test("an older one than the author named is never taken", () => {
  const reason = choose([python(9), python(11, 7)], "py312");
  assert.match(JSON.stringify(reason), /asks for Python 3\.12.*there is 3\.11\.7, 3\.9\.1.*Install one/);
});

test("strict_python refuses every other minor version, naming what is there", () => {
  assert.match(
    JSON.stringify(choose([python(11, 7)], "py310", true)),
    /strict_python.*Python 3\.10.*there is 3\.11\.7/,
  );
  assert.deepEqual(choose([python(10)], "py310", true), { version: "3.10.1", warning: null });
});

test("where the author names none, 3.13 is taken, else a newer, else the newest older one", () => {
  assert.deepEqual(choose([python(12), python(13), python(14)], null), { version: "3.13.1", warning: null });
  assert.match(JSON.stringify(choose([python(14), python(12)], null)), /"3\.14\.1".*3\.13, the default/);
  assert.match(JSON.stringify(choose([python(9), python(11)], null)), /"3\.11\.1"/);
});

test("what is older than 3.9 is not run, and a machine without Python is told so", () => {
  assert.match(JSON.stringify(choose([python(8), python(9)], "py38")), /"3\.9\.1".*too old/);
  assert.match(JSON.stringify(choose([python(8)], null)), /no Python from 3\.9 on/);
  assert.match(JSON.stringify(choose([python(9)], "snake")), /py39 to py314/);
});
