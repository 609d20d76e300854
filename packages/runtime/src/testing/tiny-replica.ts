// A replica's process with a tiny model at `reference` precision, for tests of whole calls.

import assert from "node:assert/strict";
import { makeCall, type Answer } from "./platform-side.ts";
import { mainEntry, startReplicaProcess } from "./replica-process.ts";
import { createTestPlace, testConfig, type ConfigChanges } from "./test-config.ts";
import { tinyModel, type TinyModelName } from "./tiny-models.ts";

export interface TinyReplica {
  readonly socketPath: string;
  /** Fails unless it is answered with 200. */
  ask(body: Readonly<Record<string, unknown>>): Promise<Answer>;
  /** All ids of each row. */
  idsOf(body: Readonly<Record<string, unknown>>): Promise<readonly (readonly number[])[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startTinyReplica(
  name: TinyModelName,
  changes: ConfigChanges = {},
): Promise<TinyReplica> {
  const model = tinyModel(name);
  const place = createTestPlace();
  const config = testConfig(place.socketPath, {
    weights: { path: model.path, sha256: model.sha256 },
    generation_config: model.generationConfig,
    ...changes,
    limits: { max_batch_tokens: 512, queue_length: 64, ...changes.limits },
  });
  const replica = startReplicaProcess(mainEntry, place.directory, config);
  const platform = await replica.dial();
  await Promise.race([platform.until("ready"), replica.ended.then((end) => assert.fail(end.stderr))]);
  const ask = async (body: Readonly<Record<string, unknown>>) => {
    const answer = await makeCall(place.socketPath, { body });
    assert.equal(answer.status, 200, answer.text);
    return answer;
  };
  return {
    socketPath: place.socketPath,
    ask,
    async idsOf(body) {
      const { json } = await ask({ ...body, return_tensors: true });
      return json.result.map((row: { generated_token_ids: number[] }) => row.generated_token_ids);
    },
    async [Symbol.asyncDispose]() {
      replica.child.kill("SIGTERM");
      await replica.ended;
      place.remove();
    },
  };
}
