// Scores and embeddings of the replica at `reference` precision are those of transformers.

import type { Embeddings, Score } from "@corral/contract";
import { poolings } from "@corral/contract";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { makeCall } from "../testing/platform-side.ts";
import { mainEntry, startReplicaProcess, type ReplicaProcess } from "../testing/replica-process.ts";
import { createTestPlace, testConfig } from "../testing/test-config.ts";
import { readOracle, tinyModel, tinyModelNames } from "../testing/tiny-models.ts";

interface Recording {
  readonly origin: { readonly sha256: string };
  readonly cases: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    /** Of each id but the first. */
    readonly logprobs: readonly number[];
    readonly top_ids: readonly (readonly number[])[];
    readonly top_logprobs: readonly (readonly number[])[];
    readonly embeddings: Readonly<Record<(typeof poolings)[number], readonly number[]>>;
  }[];
}

const tolerance = 1e-4;

function assertNear(given: readonly (number | null)[], expected: readonly number[], what: string): void {
  assert.equal(given.length, expected.length, what);
  for (const [index, value] of given.entries()) {
    const difference = Math.abs(value! - expected[index]!);
    assert.ok(difference < tolerance, `${what}: number ${index} differs by ${difference}`);
  }
}

for (const name of tinyModelNames) {
  describe(name, () => {
    const recording = readOracle<Recording>(`scores-${name.replace("corral-", "")}.json`);
    const model = tinyModel(name);
    const place = createTestPlace();
    let replica: ReplicaProcess;
    before(async () => {
      const config = testConfig(place.socketPath, {
        weights: { path: model.path, sha256: model.sha256 },
        generation_config: model.generationConfig,
        // Smaller than most of the texts: they are computed in parts.
        limits: { max_batch_tokens: 16, queue_length: 64 },
      });
      replica = startReplicaProcess(mainEntry, place.directory, config);
      const platform = await replica.dial();
      await Promise.race([platform.until("ready"), replica.ended.then((end) => assert.fail(end.stderr))]);
    });
    after(async () => {
      replica.child.kill("SIGTERM");
      await replica.ended;
      place.remove();
    });

    async function ask<Answer>(path: string, body: unknown): Promise<Answer> {
      const answer = await makeCall(place.socketPath, { path, body });
      assert.equal(answer.status, 200, answer.text);
      return answer.json;
    }

    test("the recording is of these weights and has ten texts", () => {
      assert.equal(
        recording.origin.sha256,
        model.sha256,
        "record it again with scripts/oracle/record_scores.py",
      );
      assert.equal(recording.cases.length, 10);
    });

    for (const { text, ids, logprobs, top_ids, top_logprobs } of recording.cases) {
      test(`scores: ${JSON.stringify(text.slice(0, 30))}`, async () => {
        const answer = await ask<Score>("/score", { prompt: text, top_n: 3 });
        assert.deepEqual(answer.ids, ids);
        assertNear(answer.logprobs.slice(1), logprobs, "logprobs");
        for (const [index, expected] of top_logprobs.entries()) {
          const best = answer.top![index + 1]!;
          assertNear(
            best.map(({ logprob }) => logprob),
            expected,
            "top",
          );
          const isTied = expected.some((value, rank) => rank > 0 && expected[rank - 1]! - value < tolerance);
          if (!isTied)
            assert.deepEqual(
              best.slice(0, 2).map(({ id }) => id),
              top_ids[index]!.slice(0, 2),
            );
        }
        const total = logprobs.reduce((sum, value) => sum + value, 0);
        assert.ok(Math.abs(answer.total_logprob! - total) < tolerance * ids.length);
      });
    }

    test("embeddings of all texts in one call, by each pooling, and of length 1 unless told otherwise", async () => {
      const input = recording.cases.map(({ text }) => text);
      for (const pooling of poolings) {
        const plain = await ask<Embeddings>("/embeddings", { input, pooling, normalize: false });
        const unit = await ask<Embeddings>("/embeddings", { input, pooling });
        assert.equal(plain.embeddings.length, 10);
        for (const [index, { embeddings }] of recording.cases.entries()) {
          const expected = embeddings[pooling];
          assertNear(plain.embeddings[index]!, expected, `${pooling} ${index}`);
          const length = Math.hypot(...expected);
          assertNear(
            unit.embeddings[index]!,
            expected.map((value) => value / length),
            `${pooling} ${index}`,
          );
        }
      }
    });
  });
}
