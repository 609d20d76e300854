// Configs are read as the real truss reads them: the same value with the same defaults, the same refusals. The
// recording has truss's own test models and one text for each thing that a config may say.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { isServingError } from "@corral/contract";
import { parseConfig } from "./config.ts";
import { isRecord } from "./config-issues.ts";
import { expandedTrussConfig } from "./truss-config.ts";
import { readYaml } from "./yaml-source.ts";

interface Case {
  readonly name: string;
  readonly config: string;
  readonly expanded?: Readonly<Record<string, unknown>>;
  /** The kind of error, at the reading or at the push. */
  readonly refused?: string;
}

const file = new URL("../test-data/oracle/truss-configs.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: readonly Case[] };

/** Taken here and not by truss 0.18.35, with the reason. */
const looser: Readonly<Record<string, string>> = {
  "one worker": "num_workers was a field in 2024, and 1 is what there is",
  "python version of 2024": "py38 was there; the nearest newer Python runs the code",
  "spec version as a number": "configs of 2024 have it so",
  "null lists": "a key with nothing behind it says nothing",
};
/** The other way round. */
const stricter: Readonly<Record<string, string>> = {
  cache: "it names a bucket, and only a hub is read",
  "transport grpc": "code is called over HTTP and websockets alone",
  weights: "it names buckets, and only a hub is read",
  "weights cw": "it names a bucket, and only a hub is read",
  test_trt_llm_truss: "its class is given a TensorRT-LLM engine, which is not here",
  "memory plain": "a thousand bytes; a limit below 64 MiB would end every process at its start",
};
/** Read otherwise, in that field alone. */
const differing: Readonly<Record<string, string>> = {
  // Truss tells an empty list from none there.
  "external data empty": "external_data",
  // It belongs to Baseten's own cloud and is kept as it is written.
  training: "training_checkpoints",
};

/** Files that the config counts on, so that its text alone decides. */
function pathsFor(text: string): string[] {
  const outcome = readYaml(text);
  const value = outcome.kind === "parsed" ? outcome.source.value : null;
  const {
    model_module_dir: directory = "model",
    model_class_filename: name = "model.py",
    requirements_file: needs,
  } = isRecord(value) ? value : {};
  return [
    `${String(directory)}/${String(name)}`,
    ...(typeof needs === "string" ? [needs.replace(/^\.\//, "")] : []),
  ];
}

function read(text: string): { readonly expanded: Record<string, unknown> } | { readonly refused: string } {
  try {
    const { config, truss } = parseConfig(text, pathsFor(text));
    return { expanded: expandedTrussConfig(config, truss) };
  } catch (error) {
    if (isServingError(error)) return { refused: error.message };
    throw error;
  }
}

describe("a config", () => {
  for (const { name, config, expanded, refused } of cases) {
    const isTaken = refused === undefined;
    it(`is ${isTaken ? "read" : "refused"} as by truss: ${name}`, () => {
      const own = read(config);
      if (Object.hasOwn(stricter, name)) {
        assert.ok(isTaken && "refused" in own, `${name} is listed as refused here alone`);
      } else if (Object.hasOwn(looser, name)) {
        assert.ok(!isTaken && "expanded" in own, `${name} is listed as taken here alone`);
      } else if (isTaken) {
        const field = differing[name];
        const except = field === undefined ? {} : { [field]: null };
        assert.ok("expanded" in own, JSON.stringify(own));
        assert.deepEqual({ ...own.expanded, ...except }, { ...expanded, ...except });
      } else {
        assert.ok("refused" in own, JSON.stringify(own));
      }
    });
  }

  it("is recorded often enough, truss's test models among them", () => {
    assert.ok(cases.length >= 60);
    assert.ok(cases.filter(({ name }) => /^(test_|\w+_truss)/.test(name)).length >= 20);
  });
});
