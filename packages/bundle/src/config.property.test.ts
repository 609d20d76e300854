import assert from "node:assert/strict";
import { it } from "node:test";
import { isServingError } from "@corral/contract";
import fc from "fast-check";
import { parseConfig } from "./config.ts";
import { expandedTrussConfig } from "./truss-config.ts";
import { trussSchema } from "./truss-schema.ts";

const paths = ["model/model.py", "requirements.txt"];
const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
const file = fc.stringMatching(/^[a-z]{1,4}(\/[a-z]{1,4}){0,2}$/);
const words = fc.array(word, { maxLength: 3 });
const free = fc.dictionary(word, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });

/** Members at hand, each there or not; every one is sound by itself and beside the others. */
const optional = <Values extends Record<string, fc.Arbitrary<unknown>>>(values: Values) =>
  fc.record(values, { requiredKeys: [] });
const sound = optional({
  model_name: word,
  description: fc.string(),
  model_metadata: free.map(({ corral: _, ...others }) => others),
  python_version: fc.constantFrom("py39", "py311", "3.12"),
  requirements: words,
  system_packages: words,
  environment_variables: fc.dictionary(word, fc.oneof(fc.boolean(), fc.integer(), word)),
  secrets: fc.dictionary(word, fc.option(word)),
  data_dir: file,
  external_package_dirs: words,
  build_commands: words,
  live_reload: fc.boolean(),
  resources: optional({
    cpu: fc.constantFrom("1", 2, "500m"),
    memory: fc.constantFrom("2Gi", "100M"),
    accelerator: fc.constantFrom("L4", "H100:8", null),
    node_count: fc.integer({ min: 1, max: 9 }),
  }),
  runtime: optional({
    predict_concurrency: fc.integer({ min: 1, max: 99 }),
    enable_debug_logs: fc.boolean(),
    transport: fc.constantFrom({}, { kind: "http" }, { kind: "websocket", ping_timeout_seconds: 1.5 }),
    health_checks: optional({ startup_threshold_seconds: fc.integer({ min: 1, max: 2_147_483 }) }),
  }),
  model_cache: fc.array(fc.record({ repo_id: fc.constant("owner/name"), allow_patterns: words }), {
    maxLength: 2,
  }),
  external_data: fc.array(fc.record({ url: word, local_data_path: file }), { maxLength: 2 }),
});

it("a config that is written out whole and read again is the same", () => {
  fc.assert(
    fc.property(sound, (config) => {
      const first = parseConfig(JSON.stringify(config), paths);
      const expanded = expandedTrussConfig(first.config, first.truss);
      const again = parseConfig(JSON.stringify(expanded), paths);
      assert.deepEqual(again.truss, first.truss);
      assert.deepEqual(again.config, first.config);
      assert.deepEqual(expandedTrussConfig(again.config, again.truss), expanded);
    }),
    { numRuns: 60 },
  );
});

it("any values in any fields are read or refused with a place, and nothing else happens", () => {
  const fields = fc.constantFrom(...Object.keys(trussSchema.shape), "hf_cache", "__proto__", "other");
  const inner = fc.oneof(
    word,
    fc.constantFrom("cpu", "transport", "kind", "corral", "weights", "auth", "__proto__"),
  );
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(null, "", "a", 0, -1, 1.5, true, [], {}),
      fc.array(tie("value"), { maxLength: 2 }),
      fc.dictionary(inner, tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.dictionary(fields, value, { maxKeys: 6 }), fc.boolean(), (config, hasCode) => {
      const text = JSON.stringify(config);
      try {
        parseConfig(text, hasCode ? paths : []);
      } catch (error) {
        assert.ok(isServingError(error) && error.code === "invalid_bundle", String(error));
        assert.ok(error.errors.length > 0);
        for (const { message } of error.errors) assert.match(message, /^config\.yaml(: | line \d+: )/);
      }
    }),
    { numRuns: 300 },
  );
});
