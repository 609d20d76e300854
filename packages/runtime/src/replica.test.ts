import { forwardedHeaders, ServingError } from "@corral/contract";
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadedModel } from "./loaded-model.ts";
import { createFakeLoadedModel } from "./testing/fake-loaded-model.ts";
import { parseEvents } from "./testing/platform-side.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";

const short = { prompt: "Hi", max_new_tokens: 4 };
/** 200 tokens at 5 ms each: still running when a test looks. */
const long = { prompt: "Hi", max_new_tokens: 200 };
const slowModel = () => createFakeLoadedModel({ beforeDecode: () => sleep(5) });

test("a call is answered in each family's form, and its run is reported from start to end", async () => {
  await using t = await startTestReplica();
  const ours = await t.call({ body: short });
  assert.equal(ours.status, 200);
  assert.deepEqual(ours.json.result, [
    { generated_text: "Hidefg", finish_reason: "length", generated_tokens: 4 },
  ]);
  assert.equal(ours.json.run_id, ours.runId);
  const baseten = await t.call({
    dialect: "baseten",
    body: { messages: [{ role: "user", content: "Hi" }], max_tokens: 25 },
  });
  assert.deepEqual([baseten.json.model_id, baseten.json.model_version_id], ["model-1", "deployment-1"]);
  const cerebrium = await t.call({
    dialect: "cerebrium",
    body: { prompt: "Hi", max_length: "7" },
    query: "?result=text",
  });
  assert.deepEqual([cerebrium.json.message, cerebrium.json.result], ["Ran successfully", "Hidefg"]);

  const kinds = t.platform.reports
    .map(({ report }) => report.kind)
    .filter((kind) => kind !== "load" && kind !== "memory");
  const ofOneRun = ["started", "first_token", "finished"];
  assert.deepEqual(kinds, ["ready", ...ofOneRun, ...ofOneRun, ...ofOneRun]);
  const finished = await t.platform.until("finished", ours.runId);
  assert.equal(finished.status, "succeeded");
  assert.deepEqual(finished.output, ours.json.result);
  assert.deepEqual(finished.usage, { prompt_tokens: 3, cached_tokens: 0, generated_tokens: 4 });
  const { prefill, decode, total } = finished.timings_ms;
  assert.ok(Math.abs(prefill + decode - ours.json.run_time_ms) < 0.01 && total >= ours.json.run_time_ms);
});

test("thirty calls at once have each their own answer", async () => {
  await using t = await startTestReplica({ config: { limits: { queue_length: 40 } } });
  const prompts = Array.from({ length: 30 }, (_, index) => "x".repeat(index + 1));
  const answers = await Promise.all(prompts.map((prompt) => t.call({ body: { prompt, max_new_tokens: 5 } })));
  for (const [index, answer] of answers.entries()) {
    const start = (index + 2) % 10;
    const expected = "abcdefghijabcdefghij".slice(start, start + 5);
    assert.equal(answer.json.result[0].generated_text, prompts[index] + expected);
  }
});

test("a replica that ends has reported what all its calls counted", async () => {
  await using t = await startTestReplica();
  const { platform } = t;
  const lengths = [4, 6];
  for (const max_new_tokens of lengths) await t.call({ body: { prompt: "Hi", max_new_tokens } });
  await t.call({ body: {} });
  t.replica.drain();
  await t.replica.ended;
  const last = platform.reports.map(({ report }) => report).findLast((report) => report.kind === "load");
  assert.ok(last !== undefined);
  const { counters, finished, histograms } = last.statistics;
  assert.deepEqual([counters.prompt_tokens, counters.generated_tokens], [6, 10]);
  assert.deepEqual([counters.prefill_tokens, counters.decode_tokens, counters.steps], [6, 8, 10]);
  assert.deepEqual(finished, { stop: 0, stop_sequence: 0, length: 2, time: 0, abort: 0, error: 0 });
  const countOf = ({ counts }: { counts: readonly number[] }) =>
    counts.reduce((sum, count) => sum + count, 0);
  assert.equal(countOf(histograms.time_to_first_token_seconds), 2);
  assert.equal(countOf(histograms.inter_token_latency_seconds), 8);
  assert.equal(countOf(histograms.step_tokens), 10);
  assert.ok(histograms.time_to_first_token_seconds.sum <= histograms.total_seconds.sum);
  assert.ok(counters.decode_seconds >= 0 && counters.host_seconds > 0);
  assert.ok(JSON.stringify(last).length < 2_048, "a report a second stays small");
});

test("ids are returned as one rectangle, filled with the pad token", async () => {
  await using t = await startTestReplica();
  const body = {
    prompt: "Hi",
    do_sample: true,
    temperature: 50,
    top_k: 0,
    seed: 3,
    num_return_sequences: 4,
    max_new_tokens: 60,
    eos_token_id: Array.from({ length: 40 }, (_, index) => index * 6),
    return_tensors: true,
    pad_token_id: 258,
  };
  const { json } = await t.call({ body });
  const rows: number[][] = json.result.map(
    (row: { generated_token_ids: number[] }) => row.generated_token_ids,
  );
  assert.equal(new Set(rows.map((row) => row.length)).size, 1);
  assert.ok(rows.some((row) => row.at(-1) === 258));
  assert.ok(json.usage.generated_tokens < 4 * (rows[0]!.length - 3), "fill is not generated");
});

test("a call that could never fit is the caller's mistake, not a full cache", async () => {
  await using t = await startTestReplica();
  const answer = await t.call({
    body: { prompt: "Hi", do_sample: true, num_return_sequences: 8, max_new_tokens: 200 },
  });
  assert.deepEqual([answer.status, answer.json.errors?.[0].pointer], [422, "/num_return_sequences"]);
  assert.equal(answer.headers["retry-after"], undefined);
});

test("an error names its run", async () => {
  await using t = await startTestReplica();
  const answer = await t.call({ body: {} });
  assert.equal(answer.json.instance, `urn:uuid:${answer.runId}`);
});

test("no byte of a JSON answer is sent before the finished report is acknowledged", async () => {
  await using t = await startTestReplica({ acknowledges: false });
  const call = t.open({ body: short });
  await t.platform.until("finished", call.runId);
  const first = await Promise.race([call.response.then(() => "answered"), sleep(100, "silent")]);
  assert.equal(first, "silent");
  t.platform.send({ kind: "ack", number: t.platform.reports.at(-1)!.number });
  assert.equal((await call.answer).status, 200);
  t.platform.acknowledges = true;
});

test("a stream flows at once, and its last event waits for the acknowledgement", async () => {
  await using t = await startTestReplica({ acknowledges: false });
  const call = t.open({ body: { ...short, stream: true } });
  const response = await call.response;
  let text = "";
  response.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await t.platform.until("finished", call.runId);
  await sleep(100);
  assert.ok(text.includes("event: token") && !text.includes("event: done"));
  t.platform.acknowledges = true;
  t.platform.send({ kind: "ack", number: t.platform.reports.at(-1)!.number });
  await once(response, "end");
  const events = parseEvents(text);
  assert.equal(
    events
      .filter(({ event }) => event === "token")
      .map(({ data }) => data.text)
      .join(""),
    "defg",
  );
  assert.equal(events.at(-1)!.data.result[0].generated_text, "Hidefg");
  assert.equal(response.headers["cache-control"], "no-cache, no-transform");
});

test("a run that the platform does not commit in time is answered with 503, or cuts its stream", async () => {
  await using t = await startTestReplica({ acknowledges: false, graces: { acknowledgementMs: 100 } });
  const whole = await t.call({ body: short });
  assert.deepEqual([whole.status, whole.json.code], [503, "database_unavailable"]);
  const events = parseEvents((await t.call({ body: { ...short, stream: true } })).text).at(-1)!;
  assert.deepEqual([events.event, events.data.error.code], ["error", "database_unavailable"]);
  const text = t.open({ dialect: "baseten", body: { ...short, stream: true } });
  await assert.rejects(text.answer, { code: "ECONNRESET" });
  // The record of each may be committed later.
  for (const { runId } of [whole, text]) {
    assert.equal((await t.platform.until("finished", runId)).status, "succeeded");
  }
  t.platform.acknowledges = true;
  t.platform.send({ kind: "ack", number: t.platform.reports.at(-1)!.number });
  assert.equal((await t.call({ body: short })).status, 200);
});

test("a call's own deadline bounds the wait for the commit as well", async () => {
  await using t = await startTestReplica({ acknowledges: false });
  const headers = { [forwardedHeaders.deadline]: String(Date.now() + 1_500) };
  const answer = await t.call({ body: short, headers });
  assert.deepEqual([answer.status, answer.json.code], [503, "database_unavailable"]);
  t.platform.acknowledges = true;
  t.platform.send({ kind: "ack", number: t.platform.reports.at(-1)!.number });
});

test("a text stream is the answer's text and nothing else", async () => {
  await using t = await startTestReplica();
  const answer = await t.call({
    dialect: "baseten",
    body: { prompt: "Hi", max_new_tokens: 4, stream: true },
  });
  assert.equal(answer.text, "defg");
  assert.equal(answer.headers["content-type"], "text/plain; charset=utf-8");
});

test("sequences of one stream are told apart by their index", async () => {
  await using t = await startTestReplica();
  const body = {
    prompt: "Hi",
    max_new_tokens: 3,
    do_sample: true,
    temperature: 0.01,
    num_return_sequences: 2,
    stream: true,
  };
  const events = parseEvents((await t.call({ body })).text);
  for (const sequence of [0, 1]) {
    const pieces = events.filter(({ event, data }) => event === "token" && data.sequence === sequence);
    assert.equal(pieces.map(({ data }) => data.text).join(""), "def");
  }
});

test("a caller that goes away frees its place within a step or two, and its run is canceled", async () => {
  const model = slowModel();
  await using t = await startTestReplica({ model });
  const call = t.open({ body: long });
  await t.platform.until("first_token", call.runId);
  const neighbour = t.call({ body: { prompt: "yo", max_new_tokens: 30 } });
  call.request.destroy();
  const finished = await t.platform.until("finished", call.runId);
  assert.equal(finished.status, "canceled");
  assert.equal(finished.error?.code, "client_closed");
  assert.ok(finished.usage.generated_tokens < 100);
  assert.equal((await neighbour).json.result[0].generated_text.length, 32);
});

test("a canceled run is answered with 499 and reported as canceled", async () => {
  await using t = await startTestReplica({ model: slowModel() });
  const call = t.open({ body: long });
  await t.platform.until("first_token", call.runId);
  t.platform.send({ kind: "cancel", run_id: call.runId });
  const answer = await call.answer;
  assert.deepEqual([answer.status, answer.json.code], [499, "aborted"]);
  assert.equal((await t.platform.until("finished", call.runId)).status, "canceled");
});

test("a stream that fails after it began ends with an error event, or with a cut connection where it is text", async () => {
  await using t = await startTestReplica({ model: slowModel() });
  const events = t.open({ body: { ...long, stream: true } });
  const text = t.open({ dialect: "baseten", body: { prompt: "Hi", max_new_tokens: 200, stream: true } });
  await Promise.all([events.response, text.response]);
  for (const { runId } of [events, text]) t.platform.send({ kind: "cancel", run_id: runId });
  const last = parseEvents((await events.answer).text).at(-1)!;
  assert.deepEqual([last.event, last.data.error.code], ["error", "aborted"]);
  await assert.rejects(text.answer, { code: "ECONNRESET" });
});

test("a model that fails at a step is answered with its code, and the replica goes on", async () => {
  const model = createFakeLoadedModel({
    beforeDecode: (_plan, index) => {
      if (index === 0) throw new ServingError("decode_failed", "the device is gone");
    },
  });
  await using t = await startTestReplica({ model });
  const failed = await t.call({ dialect: "cerebrium", body: short });
  assert.equal(failed.status, 500);
  assert.equal(failed.json.result, null);
  assert.equal((await t.platform.until("finished", failed.runId)).status, "failed");
  assert.equal((await t.call({ body: short })).status, 200);
});

test("an engine that breaks ends the replica with its reason, not with a hanging call", async () => {
  const model = createFakeLoadedModel({
    beforeDecode: () => {
      throw new TypeError("a bug");
    },
  });
  await using t = await startTestReplica({ model });
  const answer = await t.call({ body: short });
  assert.deepEqual([answer.status, answer.json.code], [500, "internal"]);
  assert.doesNotMatch(answer.text, /a bug/);
  assert.equal((await t.platform.until("finished", answer.runId)).status, "failed");
  const end = await t.replica.ended;
  assert.equal(end?.code, "internal");
  assert.match(String(end?.cause), /a bug/);
});

test("a deadline ends a call with 504, also one that had passed before", async () => {
  await using t = await startTestReplica({ model: slowModel() });
  const soon = await t.call({
    body: long,
    headers: { [forwardedHeaders.deadline]: String(Date.now() + 500) },
  });
  assert.deepEqual([soon.status, soon.json.code], [504, "timeout"]);
  assert.equal((await t.platform.until("finished", soon.runId)).status, "failed");
  const passed = await t.call({ body: short, headers: { [forwardedHeaders.deadline]: "1" } });
  assert.equal(passed.status, 504);
  assert.ok(!t.platform.reports.some(({ report }) => "run_id" in report && report.run_id === passed.runId));
});

test("a key's cap holds over its running calls, and other keys are not held up", async () => {
  await using t = await startTestReplica({ model: slowModel() });
  const headers = { [forwardedHeaders.key]: "key-1", [forwardedHeaders.tokenCap]: "250" };
  const running = t.open({ body: long, headers });
  await t.platform.until("started", running.runId);
  const second = await t.call({ body: long, headers });
  assert.deepEqual(
    [second.status, second.json.code, second.headers["retry-after"]],
    [429, "key_limit_exceeded", "1"],
  );
  const tooLarge = await t.call({ body: { ...long, num_return_sequences: 2, do_sample: true }, headers });
  assert.equal(tooLarge.status, 422);
  assert.match(tooLarge.json.detail, /406.*250/);
  assert.equal(
    (await t.call({ body: short, headers: { ...headers, [forwardedHeaders.key]: "key-2" } })).status,
    200,
  );
  running.request.destroy();
  await t.platform.until("finished", running.runId);
  assert.equal((await t.call({ body: short, headers })).status, 200);
});

test("a full queue is answered with 429 and when to try again", async () => {
  await using t = await startTestReplica({
    model: slowModel(),
    config: { limits: { queue_length: 2, slot_count: 1 } },
  });
  const calls = Array.from({ length: 20 }, () => t.open({ body: long }));
  const refused = await Promise.any(calls.map((call) => call.answer));
  assert.deepEqual([refused.status, refused.json.code], [429, "queue_full"]);
  assert.ok(Number(refused.headers["retry-after"]) >= 1);
  for (const call of calls) call.request.destroy();
});

test("progress is reported at most 250 ms or 32 tokens behind", async () => {
  await using t = await startTestReplica({ model: createFakeLoadedModel({ beforeDecode: () => sleep(1) }) });
  const call = await t.call({ body: long });
  const progress = t.platform.reports.flatMap(({ report }) =>
    report.kind === "progress" && report.run_id === call.runId ? [report.generated_tokens] : [],
  );
  assert.ok(progress.length >= 4, `${progress.length} reports`);
  for (const [index, tokens] of progress.entries()) {
    const behind = tokens - (progress[index - 1] ?? 0);
    assert.ok(behind > 0 && behind <= 64, `${progress.join()}`);
  }
});

test("bodies that are no call are refused in the caller's envelope", async () => {
  await using t = await startTestReplica({ config: { limits: { body_bytes: 4_096 } } });
  const cases: readonly (readonly [unknown, number, RegExp])[] = [
    ['{"prompt": "a"\n "top_p": 1}', 400, /line 2, column 2: missing ',' before \\"top_p\\"/],
    ["", 400, /empty/],
    ["[1]", 422, /a list/],
    ["null", 422, /null/],
    ['"text"', 422, /a string/],
    [Buffer.from([0x7b, 0xff, 0x7d]), 400, /UTF-8/],
    [`{"prompt":"${"x".repeat(5_000)}"}`, 413, /4096/],
    [`{"top_k":${"[".repeat(1_000)}${"]".repeat(1_000)}}`, 422, /nests deeper/],
    [Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, 1])), 422, /300 fields/],
    [{ prompt: "a", ["x".repeat(200)]: 1 }, 422, /more than 100 characters/],
  ];
  for (const [body, status, says] of cases) {
    const answer = await t.call({ dialect: "cerebrium", body });
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, says);
    assert.equal(answer.json.result, null);
  }
  const encoded = await t.call({ body: "x", headers: { "content-encoding": "gzip" } });
  assert.equal(encoded.status, 415);
  assert.deepEqual(t.logLines, []);
});

test("lone surrogates and NUL characters are answered like any text", async () => {
  await using t = await startTestReplica();
  const answer = await t.call({ body: '{"prompt":"\\ud800\\u0000","max_new_tokens":2}' });
  assert.equal(answer.status, 200);
  assert.ok(answer.text.includes('"\\ud800\\u0000'));
});

test("a call without the gateway's headers, another route and another method are refused", async () => {
  await using t = await startTestReplica();
  const noRun = await t.call({ body: short, headers: { [forwardedHeaders.runId]: "7" } });
  assert.deepEqual([noRun.status, noRun.json.code], [422, "invalid_parameter"]);
  for (const [method, path, status] of [
    ["GET", "/predict", 405],
    ["GET", "/", 404],
    ["GET", "/healthz", 200],
  ] as const) {
    const sent = request({ socketPath: t.socketPath, method, path, agent: false }).end();
    const [response] = await once(sent, "response");
    response.resume();
    assert.equal(response.statusCode, status);
  }
});

test("without a control channel nothing is admitted", async () => {
  await using t = await startTestReplica({ dial: false });
  await t.replica.ready;
  const answer = await t.call({ dialect: "baseten", body: short });
  assert.deepEqual([answer.status, answer.json.code], [503, "deployment_not_ready"]);
  await t.redial();
  assert.equal((await t.call({ body: short })).status, 200);
});

test("after a new dial all unacknowledged reports come again in order, and the run goes on", async () => {
  await using t = await startTestReplica({
    model: slowModel(),
    acknowledges: false,
    graces: { channelLossMs: 1_000 },
  });
  const call = t.open({ body: { prompt: "Hi", max_new_tokens: 60 } });
  await t.platform.until("first_token", call.runId);
  const before = t.platform;
  before.send({ kind: "ack", number: 1 });
  await sleep(20);
  before.close();
  await before.closed;
  const refused = await t.call({ body: short });
  assert.equal(refused.status, 503);
  const after = await t.redial(true);
  assert.equal((await call.answer).status, 200);
  assert.deepEqual(
    after.reports.map(({ number }) => number),
    Array.from({ length: after.reports.length }, (_, index) => index + 2),
  );
  assert.equal(after.reports[0]!.report.kind, "started");
});

test("a second connection replaces the first", async () => {
  await using t = await startTestReplica();
  const first = t.platform;
  const second = await t.redial();
  await first.closed;
  assert.equal((await t.call({ body: short })).status, 200);
  assert.ok(second.reports.length > 0);
});

test("a channel that stays lost ends the replica with everything it ran", async () => {
  const model = slowModel();
  await using t = await startTestReplica({ model });
  const call = t.open({ body: long });
  await t.platform.until("first_token", call.runId);
  const startedAt = performance.now();
  t.platform.close();
  const end = await t.replica.ended;
  assert.equal(end?.code, "shutting_down");
  assert.ok(performance.now() - startedAt < 20_000);
  await assert.rejects(call.answer);
  assert.ok(model.disposed);
});

test("a replica that nobody dials ends", async () => {
  await using t = await startTestReplica({ dial: false, graces: { firstDialMs: 50 } });
  assert.equal((await t.replica.ended)?.code, "shutting_down");
});

test("a line that is no message costs the platform its connection", async () => {
  await using t = await startTestReplica({ graces: { channelLossMs: 1_000 } });
  t.platform.send({ kind: "ack", number: 9_999 });
  await t.platform.closed;
  await t.redial();
  assert.equal((await t.call({ body: short })).status, 200);
});

test("draining refuses new calls, finishes what runs and then ends", async () => {
  const model = slowModel();
  await using t = await startTestReplica({ model });
  const running = t.open({ body: { prompt: "Hi", max_new_tokens: 40 } });
  await t.platform.until("first_token", running.runId);
  t.platform.send({ kind: "drain" });
  await sleep(20);
  const refused = await t.call({ body: short });
  assert.deepEqual(
    [refused.status, refused.json.code, refused.headers["retry-after"]],
    [503, "shutting_down", "1"],
  );
  assert.equal((await running.answer).status, 200);
  assert.equal(await t.replica.ended, null);
  assert.ok(model.disposed);
});

test("a channel that is lost while draining ends the replica as soon as at any other time", async () => {
  await using t = await startTestReplica({ model: slowModel(), graces: { drainMs: 60_000 } });
  const running = t.open({ body: long });
  await t.platform.until("first_token", running.runId);
  t.replica.drain();
  const startedAt = performance.now();
  t.platform.close();
  assert.equal((await t.replica.ended)?.code, "shutting_down");
  assert.ok(performance.now() - startedAt < 20_000);
  await assert.rejects(running.answer);
});

test("a channel that was lost during the load and is there again does not end the replica", async () => {
  const loaded = Promise.withResolvers<LoadedModel>();
  await using t = await startTestReplica({ dial: false, loadModel: () => loaded.promise });
  const first = await t.redial();
  first.close();
  await first.closed;
  await sleep(20);
  loaded.resolve(createFakeLoadedModel());
  await t.replica.ready;
  await t.redial();
  await sleep(300);
  assert.equal((await t.call({ body: short })).status, 200);
});

test("what does not finish while draining is cut short, reported and answered", async () => {
  await using t = await startTestReplica({ model: slowModel(), graces: { drainMs: 50 } });
  const running = t.open({ body: long });
  await t.platform.until("first_token", running.runId);
  t.replica.drain();
  const answer = await running.answer;
  assert.deepEqual([answer.status, answer.json.code], [503, "shutting_down"]);
  assert.equal((await t.platform.until("finished", running.runId)).status, "failed");
});

test("while the model loads, health says how far, calls are refused, and a failure is the replica's end", async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  await using t = await startTestReplica({
    dial: false,
    loadModel: (_config, { onProgress }) => {
      onProgress(0.25);
      return promise;
    },
  });
  await t.redial();
  assert.deepEqual(t.replica.health(), { status: "loading", load_progress: 0.25 });
  assert.equal((await t.call({ body: short })).status, 503);
  reject(Object.assign(new Error("no"), { code: "weights_changed", errors: [], retryAfterSeconds: null }));
  assert.equal((await t.replica.ended)?.code, "weights_changed");
  await assert.rejects(t.replica.ready);
});
