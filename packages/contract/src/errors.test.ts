import assert from "node:assert/strict";
import { test } from "node:test";
import { errorAnswer } from "./error-envelope.ts";
import { ServingError, asServingError, errorTable, fieldsError, redact } from "./errors.ts";
import { dialects } from "./run.ts";

const context = {
  runId: "b3a5c1de-0000-4000-8000-000000000001",
  instance: "/x/predict",
  source: "gateway",
} as const;

test("every code has a status that fits its fault", () => {
  for (const [code, { status, fault }] of Object.entries(errorTable)) {
    assert.ok(status >= 400 && status < 600, code);
    if (fault === "client") assert.ok(status < 500, `${code} is the caller's fault and answers ${status}`);
  }
});

test("a key or an Authorization header never appears in an error's text", () => {
  const error = new ServingError(
    "unauthenticated",
    "key corral_ab12cd34_0123456789abcdefABCDEF and Authorization: Api-Key s3cr3t-x",
  );
  assert.doesNotMatch(error.message, /0123456789|s3cr3t/);
  for (const key of ["abc.defg", "sk-0123456789", "KEY12345", "eyJhbGciOi.J9-_w==", "correcthorsebattery"]) {
    assert.equal(redact(`Bearer ${key}`), "Bearer ***");
    assert.equal(
      redact(`{"authorization": "api-key  ${key}", "x": 1}`),
      '{"authorization": "api-key ***", "x": 1}',
    );
  }
});

test("the token of a hub is blotted out", () => {
  assert.equal(redact("got hf_abcdefghijklmnopqrstuv there"), "got hf_*** there");
});

test("a text about keys keeps its words", () => {
  for (const text of [
    "Tokens start with hf_ and stand in HF_TOKEN.",
    "Send an API key: Authorization: Api-Key YOUR_KEY.",
    "Authorization: Bearer <YOUR_API_KEY>, or `Bearer $CORRAL_API_KEY`.",
    "An Api-Key is made with `corral keys create`, a bearer of it may call.",
  ])
    assert.equal(redact(text), text);
});

test("an error without a code becomes internal and keeps its cause to itself", () => {
  const error = asServingError(new TypeError("secret detail"));
  assert.equal(error.code, "internal");
  assert.doesNotMatch(error.message, /secret/);
  assert.ok(error.cause instanceof TypeError);
});

test("a full disk is named as such, not as a fault of ours", () => {
  for (const code of ["ENOSPC", "EDQUOT", "53100"]) {
    const error = asServingError(Object.assign(new Error("write failed"), { code }));
    assert.equal(error.code, "storage_full");
    assert.equal(error.status, 507);
  }
});

test("each family has its own envelope around the same error", () => {
  const error = fieldsError([
    { pointer: "/top_p", code: "invalid_parameter", message: "top_p is 1.5; it must be at most 1." },
    { pointer: "/top_k", code: "invalid_parameter", message: "top_k is 0.5; it must be an integer." },
  ]);
  const ours = errorAnswer("corral", error, context);
  assert.equal(ours.status, 422);
  assert.equal(ours.headers["content-type"], "application/problem+json");
  assert.equal(JSON.parse(ours.body).errors.length, 2);
  const baseten = errorAnswer("baseten", error, context);
  assert.match(JSON.parse(baseten.body).error, /top_p.*top_k/);
  assert.equal(baseten.headers["x-baseten-error-code"], "700");
  const cerebrium = JSON.parse(errorAnswer("cerebrium", error, context).body);
  assert.equal(cerebrium.result, null);
  assert.equal(cerebrium.run_id, context.runId);
});

test("OpenAI's envelope has 400 for a bad body, the path of its first bad field, and ours beside it", () => {
  const error = fieldsError([
    { pointer: "/messages/0/content", code: "missing_parameter", message: "messages[0].content is missing." },
  ]);
  const answer = errorAnswer("openai", error, context);
  assert.equal(answer.status, 400);
  const { error: body } = JSON.parse(answer.body);
  assert.deepEqual(
    [body.type, body.param, body.code, body.message],
    ["invalid_request_error", "messages[0].content", "missing_parameter", "messages[0].content is missing."],
  );
  const kinds = (["unauthenticated", "queue_full", "deployment_not_ready"] as const).map((code) => {
    const { status, body: text } = errorAnswer("openai", new ServingError(code, "It is so."), context);
    return [status, JSON.parse(text).error.type, JSON.parse(text).error.param];
  });
  assert.deepEqual(kinds, [
    [401, "invalid_request_error", null],
    [429, "rate_limit_error", null],
    [503, "server_error", null],
  ]);
});

test("an error that may pass names when to try again, in whole seconds of at least one", () => {
  const error = new ServingError("queue_full", "32 calls wait.", { retryAfterSeconds: 0.2 });
  for (const dialect of dialects) {
    assert.equal(errorAnswer(dialect, error, context).headers["retry-after"], "1");
  }
});
