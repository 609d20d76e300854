// The Python host against the recorded answers of the real Truss server (scripts/oracle/record_truss_server.py): status,
// headers that carry meaning, body, and whether it came whole.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { WorkerMessage } from "../protocol.ts";
import { asTrussAnswers } from "./testing/as-truss-answers.ts";
import { anyPython, startPythonWorker } from "./testing/python-worker.ts";
import {
  callBody,
  trussFiles,
  trussModel,
  trussRecord,
  type TrussAnswer,
  type TrussCall,
} from "./testing/truss-cases.ts";

const withPackages = process.env["CORRAL_TRUSS_PYTHON"];
const python = withPackages ?? (await anyPython());
const { calls } = trussRecord();
const models = [...new Set(calls.map(({ call }) => call.model))];

/** Paths of the server that a worker's methods answer. */
const methods: Readonly<Record<string, string>> = {
  "/v1/models/model:predict": "predict",
  "/v1/models/model:predict_binary": "predict",
  "/invocations": "predict",
  "/v1/chat/completions": "chat_completions",
  "/v1/completions": "completions",
  "/v1/embeddings": "embeddings",
  "/v1/messages": "messages",
  "/v1/responses": "responses",
};

function skipReason(model: string): string | false {
  if (python === null) return "there is no Python from 3.9 on";
  const needsPackages = /^(from|import) (fastapi|starlette|pydantic|numpy)/m.test(
    trussFiles(model)["model/model.py"] ?? "",
  );
  const named =
    "CORRAL_TRUSS_PYTHON names a Python with scripts/oracle/requirements-truss-server.txt to run it";
  return needsPackages && withPackages === undefined && named;
}

describe("answers are those of the real Truss server", { concurrency: 2 }, () => {
  for (const model of models) {
    test(model, { skip: skipReason(model) }, async (t) => {
      const { config = {}, secrets = {} } = trussModel(model);
      const runtime = (config["runtime"] ?? {}) as { predict_concurrency?: number };
      const worker = await startPythonWorker(t, {
        python: python ?? "",
        files: trussFiles(model),
        config: { model_metadata: {}, runtime: { predict_concurrency: 1 }, ...config },
        environment: { ...(config["environment_variables"] as Record<string, string> | undefined) },
        start: { secrets, predict_concurrency: runtime.predict_concurrency ?? 1 },
      });
      const own = calls.filter(({ call }) => call.model === model);
      if (own.some(({ call }) => call.ends)) {
        await worker.heard("failed");
        return;
      }
      const loaded = await worker.heard("loaded");
      for (const { call, answer } of own) {
        const what = `${call.method ?? "POST"} ${call.path ?? "predict"} ${call.body ?? call.body_base64 ?? ""}`;
        if (call.while_loading) continue;
        if (call.path === "/v1/models/model/schema") compareSchema(loaded, answer, what);
        const method = methods[(call.path ?? "/v1/models/model:predict").split("?", 1)[0] ?? ""];
        if (method === undefined) continue;
        const headers = Object.entries({ "content-type": "application/json", ...call.headers });
        const given = asTrussAnswers(
          await worker.call(method, callBody(call), headers, call.path, call.method).done,
        );
        compare(given, expected(call, answer), what);
      }
    });
  }
});

function compareSchema(
  loaded: Extract<WorkerMessage, { kind: "loaded" }>,
  answer: TrussAnswer,
  what: string,
): void {
  const expected = JSON.parse(answer.body ?? "") as Record<string, unknown>;
  const { schemas } = loaded;
  if (answer.status === 404) return assert.equal(schemas, null, what);
  assert.deepEqual(
    {
      input_schema: schemas?.input,
      output_schema: schemas?.output,
      supports_streaming: schemas?.supports_streaming,
    },
    expected,
    what,
  );
}

/** Where the answer differs on purpose. */
const deviations: readonly { readonly model: string; readonly recorded: string; readonly ours: string }[] = [
  {
    // Says where it ended.
    model: "binary",
    recorded: '{"error":"Unpack failed: incomplete input"}',
    ours: '{"error":"Invalid msgpack payload: the data ends after 2 bytes, inside a value"}',
  },
];

function expected(call: TrussCall, answer: TrussAnswer): TrussAnswer {
  const found = deviations.find(({ model, recorded }) => model === call.model && recorded === answer.body);
  return found === undefined ? answer : { ...answer, body: found.ours };
}

function compare(given: ReturnType<typeof asTrussAnswers>, answer: TrussAnswer, what: string): void {
  const body = callBody(answer);
  const meaning = (headers: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(headers).filter(([name]) => !/^(content-length|transfer-encoding)$/.test(name)),
    );
  assert.deepEqual(
    {
      status: given.status,
      headers: meaning(given.headers),
      body: shown(given.body),
      isBrokenOff: given.isBrokenOff,
    },
    {
      status: answer.status,
      headers: meaning(answer.headers),
      body: shown(body),
      isBrokenOff: answer.broken_off === true,
    },
    what,
  );
}

function shown(body: Buffer): string {
  const text = body.toString();
  return Buffer.from(text).equals(body) ? text : body.toString("base64");
}
