import assert from "node:assert/strict";
import { test } from "node:test";
import { asServingError, type FieldError } from "@corral/contract";
import { readEgressRules } from "@corral/weights";
import { readAsyncBody } from "./async-body.ts";
import { asyncErrorCode, asyncStatusOf, webhookStatusOf } from "./async-words.ts";

const egress = readEgressRules("");
const read = (body: unknown) =>
  readAsyncBody(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), egress);

function problems(body: unknown): readonly FieldError[] {
  try {
    read(body);
  } catch (error) {
    return asServingError(error).errors;
  }
  return [];
}

test("a body with an input alone has Baseten's defaults", () => {
  const { modelInput, ...rest } = read({ model_input: { prompt: "x" } });
  assert.equal(modelInput.toString(), '{"prompt":"x"}');
  assert.deepEqual(rest, {
    webhookEndpoint: null,
    priority: 1,
    queueSeconds: 600,
    retry: { maxAttempts: 3, initialDelayMs: 1_000, maxDelayMs: 5_000 },
  });
});

test("everything that is set is taken", () => {
  const given = read({
    model_input: null,
    webhook_endpoint: "https://example.com/hook",
    priority: 0,
    max_time_in_queue_seconds: 259_200,
    inference_retry_config: { max_attempts: 10, initial_delay_ms: 0, max_delay_ms: 60_000 },
  });
  assert.deepEqual(
    { ...given, modelInput: given.modelInput.toString() },
    {
      modelInput: "null",
      webhookEndpoint: "https://example.com/hook",
      priority: 0,
      queueSeconds: 259_200,
      retry: { maxAttempts: 10, initialDelayMs: 0, maxDelayMs: 60_000 },
    },
  );
});

test("numbers of the input stay as they were written, and so do odd names and texts", () => {
  const text = '{"a":1.0,"b":[1e3,12345678901234567890],"__proto__":{"c":-0.0},"d":"\\u0000é"}';
  const { modelInput } = read(`{"model_input": ${text}, "priority": 2}`);
  assert.equal(modelInput.toString(), text);
});

test("every bad field is named, with what it may be", () => {
  const bad = {
    priority: 7,
    max_time_in_queue_seconds: 9,
    webhook_endpoint: "ftp://example.com",
    inference_retry_config: { max_attempts: 0, initial_delay_ms: 0.5, delay: 1 },
    webhook: "https://example.com",
  };
  const found = problems(bad);
  assert.deepEqual(found.map(({ pointer, code }) => `${pointer} ${code}`).toSorted(), [
    "/inference_retry_config/delay unknown_parameter",
    "/inference_retry_config/initial_delay_ms invalid_parameter",
    "/inference_retry_config/max_attempts invalid_parameter",
    "/max_time_in_queue_seconds invalid_parameter",
    "/model_input missing_parameter",
    "/priority invalid_parameter",
    "/webhook unknown_parameter",
    "/webhook_endpoint invalid_parameter",
  ]);
  const priority = found.find(({ pointer }) => pointer === "/priority");
  assert.equal(priority?.message, "priority is 7; it must be a whole number from 0 to 2.");
  assert.deepEqual(
    problems({ model_input: 1, webhook_endpoint: 5, inference_retry_config: [] }).map(
      ({ pointer }) => pointer,
    ),
    ["/webhook_endpoint", "/inference_retry_config"],
  );
});

test("a webhook to a private address is refused unless the operator allows it", () => {
  const body = { model_input: 1, webhook_endpoint: "http://127.0.0.1:9/" };
  assert.match(problems(body)[0]?.message ?? "", /CORRAL_EGRESS_ALLOW/);
  const allowed = readAsyncBody(Buffer.from(JSON.stringify(body)), readEgressRules("127.0.0.1"));
  assert.equal(allowed.webhookEndpoint, "http://127.0.0.1:9/");
});

test("statuses and codes are Baseten's words", () => {
  assert.equal(asyncStatusOf("succeeded", webhookStatusOf(true, "dead")), "WEBHOOK_FAILED");
  assert.equal(asyncStatusOf("expired", webhookStatusOf(true, "dead")), "EXPIRED");
  assert.equal(asyncStatusOf("running", webhookStatusOf(false, null)), "IN_PROGRESS");
  assert.equal(webhookStatusOf(true, null), "PENDING");
  const codes = [
    "invalid_parameter",
    "code_failed",
    "replica_lost",
    "timeout",
    "deployment_not_found",
    "internal",
  ] as const;
  assert.deepEqual(
    codes.map((code) => asyncErrorCode({ code })),
    [
      "MODEL_INVALID_INPUT",
      "MODEL_PREDICT_ERROR",
      "MODEL_UNAVAILABLE",
      "MODEL_PREDICT_TIMEOUT",
      "MODEL_DOES_NOT_EXIST",
      "INTERNAL_SERVER_ERROR",
    ],
  );
});
