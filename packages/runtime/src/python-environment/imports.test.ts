import assert from "node:assert/strict";
import { test } from "node:test";
import { boundsFor, companionPackages, importedModules, requirementName } from "./imports.ts";

test("imports are found wherever they stand, by their top-level name", () => {
  const source = `
from fastapi import HTTPException
import numpy as np, os.path
if True:
    from starlette.requests import Request  # for the headers
    import yaml; import json
from . import helper
important = "import nothing"
`;
  assert.deepEqual(
    [...importedModules(source)].toSorted((a, b) => a.localeCompare(b)),
    ["fastapi", "numpy", "os", "starlette", "yaml"],
  );
});

test("a websocket method needs Starlette, whatever it imports", () => {
  const source = "class Model:\n    async def websocket(self, ws):\n        await ws.close()\n";
  assert.deepEqual([...importedModules(source)], ["starlette"]);
});

test("packages of the Truss image come along where the code imports them and nothing names them", () => {
  const modules = new Set(["fastapi", "numpy", "torch", "yaml"]);
  assert.deepEqual(companionPackages(modules, ["NumPy==1.26", "torch"]), ["PyYAML", "fastapi>=0.114,<0.125"]);
  assert.deepEqual(companionPackages(modules, ["pyyaml", "fastapi>=0.100", "numpy"]), []);
});

test("a requirement's name is read whatever follows it", () => {
  const lines = [
    "torch",
    "Torch[cuda]==2.1 ; python_version > '3.9'",
    "a_b.c~=1",
    "x @ file:///x.whl",
    "y # why",
  ];
  assert.deepEqual(lines.map(requirementName), ["torch", "torch", "a-b-c", "x", "y"]);
  for (const line of ["-r other.txt", "./wheel.whl", "git+https://example.test/x", "# torch"]) {
    assert.equal(requirementName(line), null);
  }
});

test("a package that is named without a version is bounded where the code was written for older ones", () => {
  const old = ["AutoTokenizer.from_pretrained(name, use_auth_token=token)"];
  const linesOf = (sources: readonly string[], lines: readonly string[]) =>
    boundsFor(sources, lines).map(({ line }) => line);
  assert.deepEqual(linesOf(old, ["torch", "transformers"]), ["transformers<5"]);
  assert.deepEqual(linesOf(old, ["Transformers[torch] ; python_version > '3.8'"]), ["transformers<5"]);
  for (const line of ["transformers==4.32.1", "transformers>=4", "transformers @ https://a/b.whl", "torch"])
    assert.deepEqual(linesOf(old, [line]), [], line);
  assert.deepEqual(linesOf(["from_pretrained(name, token=token)"], ["transformers"]), []);
  assert.match(
    boundsFor(old, ["transformers"])[0]?.reason ?? "",
    /use_auth_token.*transformers<5 is installed/,
  );
});

test("a requirement brings along what it uses of the Truss image without asking for it", () => {
  assert.deepEqual(companionPackages(new Set(), ["sentencepiece==0.1.99"]), ["protobuf"]);
  assert.deepEqual(companionPackages(new Set(), ["sentencepiece", "protobuf==3.20.3"]), []);
});
