// What is predicted from headers is what llama.cpp reports when it loads, and what replicas were seen to take.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { modelShape } from "./model-shape.ts";
import { memoryParts, needsOf, type MemoryParts } from "./needs.ts";
import { replicaContext } from "./replica-context.ts";
import { headerOf, type MemoryRecording, type RecordedRun } from "./testing/memory-record.ts";

const file = new URL("../../test-data/memory.json.gz", import.meta.url);
const recording = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8")) as MemoryRecording;
const { architecture, features } = recording;
const processor = { architecture, features: new Set(features) };

/** What llama.cpp calls each part. Rows of outputs are reported for one of each slot, and grow when more are asked for. */
function predicted(parts: MemoryParts, { slotCount }: RecordedRun, vocabularySize: number) {
  const { weights } = parts;
  return {
    "CPU_Mapped model": weights.mappedBytes,
    "CPU_REPACK model": weights.repackedBytes,
    "CPU KV": parts.cacheBufferBytes,
    "CPU compute": parts.computeBufferBytes,
    "CPU output": slotCount * vocabularySize * 4,
  };
}

/** llama.cpp's log has two decimals of a mebibyte. */
const logStep = 0.005 * 1024 ** 2 + 1;

function assertNear(actual: number, expected: number, share: number, what: string): void {
  const off = Math.abs(actual - expected);
  assert.ok(off <= Math.max(share * expected, logStep), `${what}: predicted ${actual}, reported ${expected}`);
}

test("the recording holds six models of different shapes", () => {
  assert.ok(recording.models.length >= 6, recording.models.map(({ model }) => model).join());
});

for (const { model, header: recorded, runs } of recording.models) {
  describe(model, () => {
    const header = headerOf(recorded);
    const shape = modelShape(header);
    for (const run of runs) {
      const { precision, cacheType, cellCount, slotCount, maxBatchTokenCount, buffers, replicaBytes } = run;
      const name = `${cellCount} cells of ${cacheType}, ${slotCount} slots, ${maxBatchTokenCount} tokens`;
      const wishes = {
        contextLength: cellCount,
        cellCount,
        slotCount,
        maxBatchTokenCount,
        precision,
        cacheType,
      };
      const context = replicaContext(wishes, shape.trainedContextLength, shape.vocabularySize);
      const parts = memoryParts(header, context, processor, shape);

      test(`${name}: each buffer is as predicted`, () => {
        for (const [part, bytes] of Object.entries(predicted(parts, run, shape.vocabularySize))) {
          // Exact but for the digits of the log; the target is 5 %.
          assertNear(bytes, buffers[part] ?? 0, 0.001, part);
        }
      });
      if (replicaBytes === undefined) continue;
      test(`${name}: a replica takes what is predicted, within 10 %`, () => {
        assertNear(needsOf(parts, shape.vocabularySize).residentBytes, replicaBytes, 0.1, "replica");
      });
    }
  });
}
