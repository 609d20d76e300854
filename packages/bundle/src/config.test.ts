import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isServingError, type ServingError } from "@corral/contract";
import { bundleConfig } from "./bundle-config.ts";
import { parseConfig } from "./config.ts";
import { parseGenerationConfig } from "./generation-config.ts";
import { weightsReference } from "./weights-reference.ts";

function refusal(act: () => unknown): ServingError {
  try {
    act();
  } catch (error) {
    assert.ok(isServingError(error), String(error));
    assert.equal(error.code, "invalid_bundle");
    return error;
  }
  throw new assert.AssertionError({ message: "expected a refusal" });
}

const minimal = "model_metadata:\n  corral:\n    weights: corral-tiny-3\n";

describe("parseConfig", () => {
  it("reads draft models by name, and says nothing of them where there are none", () => {
    const { config } = parseConfig(
      `${minimal}    assistant_models: { small: drafts/small.gguf, tiny: corral-tiny-3 }\n`,
    );
    assert.deepEqual(config.draftModels, { small: "drafts/small.gguf", tiny: "corral-tiny-3" });
    assert.ok(!("draftModels" in parseConfig(minimal).config));
  });

  it("refuses names and weights of draft models that cannot be", () => {
    const text = `${minimal}    assistant_models: { "a b": corral-tiny-3, far: https://x/y.gguf, out: ../z.gguf }\n`;
    const { errors } = refusal(() => parseConfig(text));
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      ["a b", "far", "out"].map((name) => `/model_metadata/corral/assistant_models/${name}`),
    );
  });

  it("takes four draft models at most, by names that routes have, too", () => {
    const drafts = (count: number) => {
      const names = ["health", "a-webhook", "c", "d", "e"].slice(0, count);
      return `${minimal}    assistant_models: { ${names.map((name) => `${name}: corral-tiny-3`).join(", ")} }\n`;
    };
    assert.equal(Object.keys(parseConfig(drafts(4)).config.draftModels ?? {}).length, 4);
    const { errors } = refusal(() => parseConfig(drafts(5)));
    assert.equal(errors.length, 1);
    assert.match(errors[0]!.message, /5 draft models; 4 at most .* Leave out some/);
  });

  it("reads adapters by name, which are paths of files and 64 at most", () => {
    const { config } = parseConfig(
      `${minimal}    adapters: { french: ./fr.gguf, tone: /models/tone.gguf }\n`,
    );
    assert.deepEqual(config.adapters, { french: "./fr.gguf", tone: "/models/tone.gguf" });
    assert.ok(!("adapters" in parseConfig(`${minimal}    adapters: {}\n`).config));
    const text = `${minimal}    adapters: { "a b": x.gguf, named: corral-tiny-3, out: ../z.gguf }\n`;
    const { errors } = refusal(() => parseConfig(text));
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      ["a b", "named", "out"].map((name) => `/model_metadata/corral/adapters/${name}`),
    );
    assert.match(errors[1]!.message, /it must be the path of a GGUF file/);
    const many = Array.from({ length: 65 }, (_, index) => `a${index}: a.gguf`).join(", ");
    const tooMany = refusal(() => parseConfig(`${minimal}    adapters: { ${many} }\n`));
    assert.match(tooMany.errors[0]!.message, /65 adapters; 64 at most .* Leave out some/);
  });

  it("reads our settings and leaves the rest of model_metadata as it is", () => {
    const { config, withoutEffect } = parseConfig(`
model_name: my-llama
description: A small one
model_metadata:
  tags: [openai-compatible]
  corral:
    weights: weights/model.gguf
    precision: reference
    defaults: { max_new_tokens: 64, do_sample: true }
    context_length: 2048
    slots: 8
    max_step_ms: 100
    call_caps: { tokens: 5000, stop_strings: 4 }
`);
    assert.deepEqual(withoutEffect, []);
    assert.deepEqual(config, {
      modelName: "my-llama",
      description: "A small one",
      metadata: { tags: ["openai-compatible"] },
      weights: "weights/model.gguf",
      precision: "reference",
      defaults: { max_new_tokens: 64, do_sample: true },
      limits: {
        contextLength: 2048,
        slotCount: 8,
        cellCount: null,
        threadCount: null,
        queueLength: null,
        maxStepMs: 100,
        callCaps: { tokens: 5000, stop_strings: 4 },
      },
    });
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.defaults) && Object.isFrozen(config.limits));
  });

  it("lists every accepted field that changes nothing for weights alone, with its line", () => {
    const { withoutEffect } = parseConfig(
      `${minimal}python_version: py311\nrequirements: []\nsecrets: {hf_access_token: null}\nresources: {cpu: 2, memory: 4Gi, use_gpu: yes}\nruntime: {predict_concurrency: 4}\nspec_version: 2.0\n`,
    );
    assert.deepEqual(
      withoutEffect.map(({ field, line }) => [field, line]),
      // The others are what they are anyway.
      [
        ["python_version", 4],
        ["secrets", 6],
        ["resources", 7],
        ["runtime", 8],
      ],
    );
  });

  it("lists all mistakes at once, each with pointer, line and remedy", () => {
    const error = refusal(() =>
      parseConfig(`model_nam: a
resources:
  cpus: 2
bis_llm: {build: {}}
model_metadata:
  corral:
    weigths: model.gguf
    precision: exact
    slots: 0
`),
    );
    assert.deepEqual(
      error.errors.map(({ pointer, code }) => [pointer, code]),
      [
        ["/model_nam", "unknown_parameter"],
        ["/resources/cpus", "unknown_parameter"],
        ["/bis_llm", "unsupported_parameter"],
        ["/model_metadata/corral/weights", "missing_parameter"],
        ["/model_metadata/corral/precision", "invalid_parameter"],
        ["/model_metadata/corral/slots", "invalid_parameter"],
        ["/model_metadata/corral/weigths", "unknown_parameter"],
      ],
    );
    const messages = error.errors.map(({ message }) => message);
    assert.match(messages[0] ?? "", /^config\.yaml line 1: model_nam .* did you mean "model_name"\?$/);
    assert.match(messages[1] ?? "", /^config\.yaml line 3: resources\.cpus .* did you mean "cpu"\?$/);
    assert.match(messages[4] ?? "", /line 8: .*precision is "exact"; it must be one of default, reference\./);
    assert.match(messages[5] ?? "", /line 9: .*slots is 0; it must be at least 1\./);
    assert.match(messages[6] ?? "", /line 7: .* did you mean "weights"\?/);
  });

  it("refuses a key that stands there twice, with the line of the second", () => {
    const error = refusal(() => parseConfig(`${minimal}model_name: a\nmodel_name: b\n`));
    assert.match(error.message, /line 5: a key stands here a second time/);
  });

  it("refuses a default that no call could carry", () => {
    const error = refusal(() => parseConfig(`${minimal}    defaults: {temprature: 0.5, max_tokens: 4}\n`));
    assert.deepEqual(
      error.errors.map(({ pointer }) => pointer),
      ["/model_metadata/corral/defaults/temprature"],
    );
    assert.match(error.message, /did you mean "temperature"/);
  });

  it("refuses a default that nothing reads", () => {
    const names = ["return_full_text", "skip_special_tokens", "add_special_tokens", "stream", "use_cache"];
    const lines = names.map((name) => `      ${name}: ${name === "use_cache" ? "false" : "true"}\n`).join("");
    const error = refusal(() => parseConfig(`${minimal}    defaults:\n${lines}      max_tokens: 4\n`));
    assert.deepEqual(
      error.errors.map(({ pointer }) => pointer),
      names.map((name) => `/model_metadata/corral/defaults/${name}`),
    );
    assert.match(error.errors[3]?.message ?? "", /^config\.yaml line 8: defaults\.stream .* remove it\.$/);
  });

  it("refuses every default that calls would be refused for, with its line and what to write", () => {
    const error = refusal(() =>
      parseConfig(`${minimal}    defaults:
      num_beams: 9
      temperature: hot
      top_p: -1
      top_k: 4.5
      do_sample: 1
      max_tokens: 0
      max_new_tokens: 0
      num_return_sequences: 9
      repetition_penalty: 0
      eos_token_id: [1, -2]
    slots: 8
    threads: 0
`),
    );
    const expected: readonly (readonly [string, number, RegExp])[] = [
      ["num_beams", 5, /`num_beams` must be from 1 to 8; given: 9\./],
      ["temperature", 6, /`temperature` must be a number; given: "hot"\./],
      ["top_p", 7, /`top_p` must be at least 0/],
      ["top_k", 8, /`top_k` must be an integer; given: 4\.5\./],
      ["do_sample", 9, /`do_sample` must be true or false; given: 1\./],
      ["max_tokens", 10, /`max_tokens` must be an integer of at least 1; given: 0\./],
      ["max_new_tokens", 11, /`max_new_tokens` must be at least 1/],
      ["num_return_sequences", 12, /`num_return_sequences` must be from 1 to 8/],
      ["repetition_penalty", 13, /`repetition_penalty` must be above 0/],
      ["eos_token_id", 14, /`eos_token_id` must be at least 0; given: -2/],
    ];
    for (const [name, line, message] of expected) {
      const pointer = `/model_metadata/corral/defaults/${name}`;
      const found = error.errors.filter((candidate) => candidate.pointer === pointer);
      assert.equal(found.length, 1, name);
      assert.ok(found[0]?.message.startsWith(`config.yaml line ${line}: defaults: `), found[0]?.message);
      assert.match(found[0]?.message ?? "", message);
    }
    assert.equal(error.errors.length, expected.length + 1, "and threads");
  });

  it("holds defaults against the caps of the same config", () => {
    const error = refusal(() =>
      parseConfig(`${minimal}    call_caps: {stop_strings: 1}\n    defaults: {stop_strings: [a, b]}\n`),
    );
    assert.match(
      error.message,
      /`stop_strings` asks for 2 stop strings; a call of this deployment may have 1\./,
    );
    const unknown = refusal(() => parseConfig(`${minimal}    call_caps: {token: 1}\n`));
    assert.match(unknown.message, /call_caps\.token is not a known setting; did you mean "tokens"\?/);
  });

  it("takes defaults that Hugging Face takes, and sampling's ranges count only where it may sample", () => {
    const accepted =
      "{num_beams: 1, top_k: 0, top_p: 1.5, pad_token_id: -1, min_p: 0, temperature: null, eos_token_id: 7}";
    parseConfig(`${minimal}    defaults: ${accepted}\n`);
    parseConfig(`${minimal}    defaults: {do_sample: false, temperature: 0}\n`);
    assert.match(
      refusal(() => parseConfig(`${minimal}    defaults: {temperature: 0}\n`)).message,
      /temperature` must be above 0 \(for greedy decoding, set `do_sample` to false\)/,
    );
  });

  it("says what to write when the weights are not named", () => {
    for (const text of ["", "model_name: a", "model_metadata: {}", "model_metadata: {corral: {}}"]) {
      assert.match(refusal(() => parseConfig(text)).message, /weights is required\. Write there a GGUF file/);
    }
  });

  it("refuses what is no map, no YAML, no JSON or a bomb of aliases", () => {
    const bomb = `a: &a [1,1,1,1,1,1,1,1,1]\n${"bcdefgh"
      .split("")
      .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${"abcdefg"[index]}`).join(",")}]`)
      .join("\n")}`;
    for (const text of [
      "- a",
      "text",
      "a: [",
      `${minimal}model_name: .inf\n`,
      "a: !!js/function x",
      bomb,
      "a: ".concat("[".repeat(5000)),
    ]) {
      refusal(() => parseConfig(text));
    }
  });

  it("reads words of YAML 1.1 as Truss does and keeps dates as text", () => {
    const { config } = parseConfig(
      "model_metadata:\n  day: 2026-11-21\n  on_off: yes\n  corral: {weights: corral-tiny-2}\n",
    );
    assert.deepEqual(config.metadata, { day: "2026-11-21", on_off: true });
  });
});

describe("weightsReference", () => {
  it("tells a file of the bundle, a name and an absolute path apart", () => {
    assert.deepEqual(weightsReference("model.gguf"), { kind: "bundled", path: "model.gguf" });
    assert.deepEqual(weightsReference("./weights/m.gguf"), { kind: "bundled", path: "weights/m.gguf" });
    assert.deepEqual(weightsReference("corral-tiny-3"), { kind: "named", name: "corral-tiny-3" });
    for (const name of ["owner/name", "meta-llama/Llama-2-7b-chat-hf@main"])
      assert.deepEqual(weightsReference(name), { kind: "named", name });
    assert.deepEqual(weightsReference("./owner/name"), { kind: "bundled", path: "owner/name" });
    assert.deepEqual(weightsReference("/srv/models/m.gguf"), { kind: "file", path: "/srv/models/m.gguf" });
  });

  it("refuses paths that leave the directory and addresses", () => {
    for (const weights of [
      "../m.gguf",
      "a/../../m.gguf",
      "a//m.gguf",
      "hf://meta/llama",
      "a\\m.gguf",
      "a\u0000.gguf",
    ]) {
      refusal(() => weightsReference(weights));
    }
  });
});

it("generation_config.json must be a JSON object", () => {
  assert.deepEqual(parseGenerationConfig('{"eos_token_id": [1, 2]}'), { eos_token_id: [1, 2] });
  assert.match(
    refusal(() => parseGenerationConfig("[]")).message,
    /generation_config\.json: must be a JSON object/,
  );
  assert.match(
    refusal(() => parseGenerationConfig('{"a": 1 "b": 2}')).message,
    /line 1, column 9: missing ','/,
  );
});

it("generation_config.json of a real Llama is taken, as is what Hugging Face passes over", () => {
  const llama31 = {
    _from_model_config: true,
    bos_token_id: 128000,
    do_sample: true,
    eos_token_id: [128001, 128008, 128009],
    temperature: 0.6,
    top_p: 0.9,
    max_length: 4096,
    transformers_version: "4.42.3",
  };
  const others = {
    pad_token_id: -1,
    use_cache: false,
    cache_implementation: "hybrid",
    chat_format: "chatml",
  };
  const neutral = { num_beams: 1, min_length: 0, suppress_tokens: null, typical_p: 1, diversity_penalty: 0 };
  const all = { ...llama31, ...others, ...neutral };
  assert.deepEqual(parseGenerationConfig(JSON.stringify(all)), all);
});

it("generation_config.json with values that calls would be refused for is refused, each with its line", () => {
  const text =
    '{\n  "temperature": "hot",\n  "num_beams": 0,\n  "top_p": -1,\n  "do_sample": true,\n  "x": "free"\n}';
  const { errors } = refusal(() => parseGenerationConfig(text));
  assert.deepEqual(
    errors.map(({ message }) => message.split("`", 2).join("")),
    [2, 3, 4].map(
      (line, index) => `generation_config.json line ${line}: ${["temperature", "num_beams", "top_p"][index]}`,
    ),
  );
  // Inert without sampling, unless the config's defaults switch it on.
  const cold = '{"temperature": 0}';
  assert.deepEqual(parseGenerationConfig(cold), { temperature: 0 });
  const sampling = bundleConfig({ weights: "x", defaults: { do_sample: true } });
  assert.match(
    refusal(() => parseGenerationConfig(cold, "a/generation_config.json", sampling)).message,
    /^a\/generation_config\.json line 1: `temperature` must be above 0/,
  );
});

it("a config made in code has every member", () => {
  assert.deepEqual(bundleConfig({ weights: "x", limits: { slotCount: 4 } }), {
    modelName: null,
    description: null,
    metadata: {},
    weights: "x",
    precision: null,
    defaults: {},
    limits: {
      contextLength: null,
      slotCount: 4,
      cellCount: null,
      threadCount: null,
      queueLength: null,
    },
  });
});
