// A replica process with a tiny model at `reference` precision, for the tests of one suite.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { makeCall } from "./platform-side.ts";
import { mainEntry, startReplicaProcess, type ReplicaProcess } from "./replica-process.ts";
import { createTestPlace, testConfig } from "./test-config.ts";
import { tinyModel, type TinyModelName } from "./tiny-models.ts";

export interface OracleReplica {
  /** Of the weights, in hex. */
  readonly sha256: string;
  call(body: object): ReturnType<typeof makeCall>;
}

/** To be called inside `describe`: the replica is there while its tests run. */
export function oracleReplica(
  name: TinyModelName,
  limits: { readonly slot_count?: number } = {},
): OracleReplica {
  const model = tinyModel(name);
  const place = createTestPlace();
  let replica: ReplicaProcess;
  before(async () => {
    const config = testConfig(place.socketPath, {
      weights: { path: model.path, sha256: model.sha256 },
      generation_config: model.generationConfig,
      limits: { max_batch_tokens: 512, queue_length: 64, ...limits },
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
  return { sha256: model.sha256, call: (body) => makeCall(place.socketPath, { body }) };
}
