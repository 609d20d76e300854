// A replica whose model lies on a GPU: runs where a package for GPUs is installed and a device answers, and skips
// elsewhere. What it gives is near the recorded outputs of transformers; their very tokens are `reference`'s promise.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openHardware } from "@corral/llama";
import { readBeamRecord } from "./testing/generate-cases.ts";
import { makeCall } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";
import { tinyModel } from "./testing/tiny-models.ts";

const name = "corral-tiny-3";
const { backend, passedOver } = openHardware({ device: "auto" });
const skip = backend === "cpu" && (passedOver.join(" ") || "no package for GPUs is installed");
/** Of a beam's score, which is a mean over its tokens unless a length penalty says otherwise. */
const tolerance = 0.02;
/** Rounding leads some searches elsewhere, to better beams as often as to worse ones. */
const leastShare = 0.8;

/** Where a GPU's driver and libraries are; a replica's environment is built anew. */
function deviceEnvironment(): Record<string, string> {
  const variables = ["LD_LIBRARY_PATH", "VK_DRIVER_FILES", "VK_ICD_FILENAMES", "GGML_VK_VISIBLE_DEVICES"];
  return Object.fromEntries(
    variables.flatMap((variable) => {
      const value = process.env[variable];
      return value === undefined ? [] : [[variable, value]];
    }),
  );
}

test("a replica on a GPU finds beams as good as those recorded", { skip }, async (context) => {
  const model = tinyModel(name);
  const place = createTestPlace();
  const config = testConfig(place.socketPath, {
    weights: { path: model.path, sha256: model.sha256 },
    generation_config: model.generationConfig,
    precision: "default",
    device: "auto",
    limits: { slot_count: 32, max_batch_tokens: 512, queue_length: 512, thread_count: null },
  });
  const replica = startReplicaProcess(mainEntry, place.directory, config, { env: deviceEnvironment() });
  try {
    const platform = await replica.dial();
    const ready = await Promise.race([
      platform.until("ready"),
      replica.ended.then((end) => assert.fail(end.stderr)),
    ]);
    assert.equal(ready.compute?.backend, backend);
    assert.equal(ready.compute.gpu_layers, ready.compute.layer_count);
    assert.equal(ready.compute.threads, 1);

    const cases = readBeamRecord(name).cases.filter(({ parameters }) => parameters["do_sample"] !== true);
    assert.ok(cases.length > 0);
    // Together, so that beams of several calls share their steps.
    const areAlike = await Promise.all(
      cases.map(async ({ input_ids, parameters, sequences_scores: recorded }) => {
        const asked = { input_ids, return_tensors: true, return_dict_in_generate: true, output_scores: true };
        const answer = await makeCall(place.socketPath, {
          body: { ...asked, scores_top_n: 1, ...parameters },
        });
        assert.equal(answer.status, 200, answer.text);
        const scores: readonly number[] = answer.json.sequences_scores;
        assert.equal(scores.length, recorded.length);
        return Math.abs(scores[0]! - recorded[0]!) <= tolerance * Math.max(1, Math.abs(recorded[0]!));
      }),
    );
    const share = areAlike.filter(Boolean).length / areAlike.length;
    context.diagnostic(
      `${(100 * share).toFixed(0)} % of ${areAlike.length} searches end with the recorded score`,
    );
    assert.ok(share > leastShare, `only ${share}`);
  } finally {
    replica.child.kill("SIGTERM");
    await replica.ended;
    place.remove();
  }
});
