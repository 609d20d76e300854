// A replica that computes with llama.cpp libraries of the operator's; those of npm stand in for a build of one's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openHardware } from "@corral/llama";
import { makeCall } from "./testing/platform-side.ts";
import { mainEntry, startReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";
import { tinyModel } from "./testing/tiny-models.ts";

const model = tinyModel("corral-tiny-2");

function startWith(place: ReturnType<typeof createTestPlace>, libraryDirectory: string) {
  const config = testConfig(place.socketPath, {
    weights: { path: model.path, sha256: model.sha256 },
    generation_config: model.generationConfig,
    library_directory: libraryDirectory,
  });
  return startReplicaProcess(mainEntry, place.directory, config);
}

test("a replica computes with the libraries of the directory that it is told, and says so", async () => {
  const { directory } = openHardware({ device: "cpu" });
  const place = createTestPlace();
  const replica = startWith(place, directory);
  try {
    const platform = await replica.dial();
    const ready = await Promise.race([
      platform.until("ready"),
      replica.ended.then((end) => assert.fail(end.stderr)),
    ]);
    assert.equal(ready.compute?.libraries, "own");
    const answer = await makeCall(place.socketPath, { body: { prompt: "Hello", max_new_tokens: 4 } });
    assert.equal(answer.status, 200, answer.text);
  } finally {
    replica.child.kill("SIGTERM");
    await replica.ended;
    place.remove();
  }
});

test("a replica whose directory has no libraries ends with the directory's name and those it looked for", async () => {
  const place = createTestPlace();
  const replica = startWith(place, place.directory);
  try {
    const { code, error } = await Promise.race([
      replica.ended,
      sleep(20_000, undefined, { ref: false }).then(() => assert.fail("it goes on without them")),
    ]);
    assert.notEqual(code, 0);
    assert.equal(error?.code, "library_missing");
    assert.ok(error.detail.startsWith(`${place.directory} has none of libllama`), error.detail);
  } finally {
    replica.child.kill("SIGKILL");
    place.remove();
  }
});
