import assert from "node:assert/strict";
import { test } from "node:test";
import { forwardedHeaders } from "@corral/contract";
import type { Principal } from "./authenticate.ts";
import { checkBodyHeaders, headersForReplica } from "./predict-call.ts";

const principal: Principal = {
  keyId: "k1",
  projectId: "default",
  scopes: ["predict"],
  models: null,
  tokenCap: 1000,
  weight: 3,
  hasBudget: false,
  expiresAt: null,
};

test("JSON and no content type are taken; anything else is refused with the remedy", () => {
  for (const type of [
    undefined,
    "application/json",
    "application/json; charset=utf-8",
    "application/vnd.x+json",
  ]) {
    checkBodyHeaders(type === undefined ? {} : { "content-type": type });
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
    assert.throws(() => checkBodyHeaders({ "content-type": type }), /Content-Type: application\/json/);
  }
  assert.throws(() => checkBodyHeaders({ "content-encoding": "gzip" }), /send the body as it is/);
});

test("a body whose length is over the limit is refused before it is read", () => {
  checkBodyHeaders({ "content-length": String(16 * 1024 * 1024) });
  assert.throws(() => checkBodyHeaders({ "content-length": String(16 * 1024 * 1024 + 1) }), /16 MiB/);
});

test("a replica never sees the caller's key, cookies or own x-corral headers", () => {
  const told = headersForReplica(
    {
      authorization: "Api-Key secret",
      "x-api-key": "secret",
      cookie: "a=b",
      accept: "text/event-stream",
      "x-corral-run-id": "forged",
      "x-corral-token-cap": "999999",
      "x-corral-weight": "999999",
      "content-length": "12",
    },
    {
      runId: "r1",
      dialect: "baseten",
      principal,
      target: { modelId: "m1", deploymentId: "d1" },
      token: null,
      nowMs: 0,
      loadMs: 0,
      isOwnRequest: false,
      isBare: false,
      depth: 0,
    },
  );
  assert.doesNotMatch(JSON.stringify(told), /secret|forged|999999|a=b/);
  assert.equal(told[forwardedHeaders.runId], "r1");
  assert.equal(told[forwardedHeaders.tokenCap], "1000");
  assert.equal(told[forwardedHeaders.weight], "3");
  assert.equal(told[forwardedHeaders.key], "k1");
  assert.equal(told["accept"], "text/event-stream");
  assert.equal(told["content-length"], "12");
});

test("code that reads its request sees the caller's own headers and type, and still no secret", () => {
  const told = headersForReplica(
    {
      authorization: "Api-Key secret",
      "proxy-authorization": "secret",
      "x-api-key": "secret",
      cookie: "secret",
      "x-baseten-request-id": "forged",
      "x-corral-bare": "forged",
      "content-type": "application/octet-stream",
      "x-mine": "yes",
      connection: "close",
    },
    {
      runId: "r1",
      dialect: "baseten",
      principal,
      target: { modelId: "m1", deploymentId: "d1" },
      token: null,
      nowMs: 0,
      loadMs: 0,
      isOwnRequest: true,
      isBare: true,
      depth: 0,
    },
  );
  assert.doesNotMatch(JSON.stringify(told), /secret|forged|close/);
  assert.deepEqual(
    [told["content-type"], told["x-mine"], told[forwardedHeaders.bare]],
    ["application/octet-stream", "yes", "1"],
  );
});
