// A replica's `/sync/*` against the recorded answers of the real Truss server: its routes around the models' methods.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { anyPython } from "../code-worker/python/testing/python-worker.ts";
import { callBody, trussFiles, trussModel, trussRecord } from "../code-worker/python/testing/truss-cases.ts";
import { startTestBundle } from "../testing/start-test-bundle.ts";

const skip = (await anyPython()) === null ? "there is no Python from 3.9 on" : false;
const { calls } = trussRecord();
/** Those whose routes are of interest, and that need no packages. */
const models = ["echo", "unhealthy", "health_raises", "generator_returned"];

describe("a replica has the routes of the Truss server", { concurrency: 2 }, () => {
  for (const model of models) {
    test(model, { skip }, async () => {
      await using replica = await startTestBundle({
        files: trussFiles(model),
        code: { kind: "python", config: { ...trussModel(model).config } },
      });
      for (const { call, answer } of calls.filter((one) => one.call.model === model)) {
        const path = call.path ?? "/v1/models/model:predict";
        const given = await replica.call({
          method: call.method ?? "POST",
          path: `/sync${path}`,
          body: callBody(call),
          dialect: "baseten",
          headers: { "x-corral-bare": "1", "content-type": "application/json", ...call.headers },
        });
        const { connection: _, date: __, "keep-alive": ___, ...headers } = given.headers;
        const what = `${call.method ?? "POST"} ${path} ${call.body ?? ""}`;
        assert.deepEqual(
          { status: given.status, body: given.text, headers },
          { status: answer.status, body: callBody(answer).toString(), headers: { ...answer.headers } },
          what,
        );
      }
    });
  }
});
