// A worker that says anything at all: the replica goes on, and each call has exactly one end.

import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import fc from "fast-check";
import { createResponseSink, type CodeOutcome } from "./answer-sink.ts";
import { failureAnswer, headersOf } from "./code-envelope.ts";
import { openWorkerConnection } from "./connection.ts";
import { encodeFrame } from "./frames.ts";
import { errorReasons } from "./protocol.ts";
import { WorkerCalls, type AnswerSink, type CallProgress } from "./worker-calls.ts";

const answerBytes = 2_000;

interface Said {
  readonly message: object;
  readonly body: Uint8Array;
}

interface Ended {
  readonly outcome: CodeOutcome;
  readonly endCount: number;
}

/** What becomes of three calls, of which the last is canceled, whose worker says this and is gone. */
async function outcomesOf(said: readonly Said[], raw: Uint8Array | null) {
  const [ours, theirs] = duplexPair();
  theirs.resume();
  let broken: string | null = null;
  const calls = new WorkerCalls({
    send: () => {},
    unsentBytes: () => 0,
    answerBytes,
    cancelGraceMs: 10_000,
    onTimeout: () => {},
    onStuck: () => {},
    onEnded: () => {},
  });
  const connection = openWorkerConnection({
    stream: ours,
    mostBodyBytes: 4_000,
    onMessage: (message, body) => {
      if ("id" in message && !["call", "cancel", "pause", "resume"].includes(message.kind))
        calls.take(message as CallProgress, body);
    },
    onBroken: (reason) => (broken = reason),
    onClose: () => {},
  });
  const ends = [1, 2, 3].map((id) => {
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    const sink = createResponseSink({ response, headersOf, pieceMs: 10_000, mostKeptBytes: 2 ** 20 });
    let endCount = 0;
    const counted: AnswerSink = {
      answer: (head, body) => {
        endCount += 1;
        sink.answer(head, body);
      },
      begin: (head) => sink.begin(head),
      chunk: (body, isText) => sink.chunk(body, isText),
      end: (code) => {
        endCount += 1;
        sink.end(code);
      },
      fail: (failure) => {
        endCount += 1;
        sink.fail(failure);
      },
    };
    const running = calls.begin({
      method: "predict",
      runId: `run-${id}`,
      request: { method: "POST", url: "/predict", headers: [] },
      body: Buffer.alloc(0),
      timeoutMs: null,
      sink: counted,
    });
    sink.attach(running);
    return { id, sink, running, counted, endCountOf: () => endCount };
  });
  for (const { message, body } of said) theirs.write(encodeFrame(message, body));
  if (raw !== null) theirs.write(raw);
  await turn();
  const canceled = ends[2]?.endCountOf() ?? 0;
  ends[2]?.running.cancel();
  if (canceled === 0) ends[2]?.counted.fail({ reason: "canceled", message: "The run was canceled." });
  connection.close();
  for (const { sink } of calls.lose("gone")) sink.fail({ reason: "lost", message: "gone" });
  const ended = await Promise.all(
    ends.map(async ({ sink, endCountOf }): Promise<Ended> => ({
      outcome: await sink.outcome,
      endCount: endCountOf(),
    })),
  );
  return { ended, broken: broken as string | null };
}

const id = fc.integer({ min: 1, max: 4 });
const odd = fc.oneof(fc.string(), fc.constantFrom("a\nb", "a\0b", "é", "x-\u2028", "Content-Length", "5"));
const headers = fc.array(fc.tuple(odd, odd), { maxLength: 3 });
const goodHeaders = fc.constantFrom(
  [["content-type", "application/json"]],
  [
    ["Content-Length", "7"],
    ["transfer-encoding", "chunked"],
  ],
  [
    ["set-cookie", "a"],
    ["set-cookie", "b"],
  ],
);
const status = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 200, max: 599 }) }, fc.integer());
const detail = fc.oneof(
  fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  fc.constantFrom(20_000, 3).map((depth) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown),
);
const orderly = fc.oneof(
  fc.record({
    kind: fc.constant("answer"),
    id,
    status,
    headers: fc.oneof({ weight: 5, arbitrary: goodHeaders }, headers),
    stream: fc.boolean(),
  }),
  fc.record({ kind: fc.constantFrom("chunk", "end", "waiting", "begun"), id }),
  fc.record(
    {
      kind: fc.constant("error"),
      id,
      reason: fc.constantFrom(...errorReasons),
      message: fc.string(),
      status,
      detail,
      headers: fc.oneof(goodHeaders, headers),
      code: fc.string(),
      errors: fc.array(fc.record({ pointer: fc.string(), code: fc.string(), detail: fc.string() })),
    },
    { requiredKeys: ["kind", "id", "reason", "message"] },
  ),
);
const anything = fc.oneof(
  detail,
  fc.record({ kind: fc.string(), id: detail }),
  fc.record({ kind: fc.constant("pong"), number: detail }),
);
const message = fc.oneof({ weight: 12, arbitrary: orderly }, anything).filter(isEncodable);
const said = fc.record({ message: message as fc.Arbitrary<object>, body: fc.uint8Array({ maxLength: 900 }) });

/** By `JSON.stringify`; what nests deeper is sent as bytes. */
function isEncodable(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}

test("whatever a worker says of its calls, the replica goes on and every call ends exactly once", async () => {
  const rawFrames = fc.option(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(5_000, 400_000).map((depth) => frameOf(`${"[".repeat(depth)}${"]".repeat(depth)}`)),
      fc.constant(
        frameOf(
          `{"kind":"error","id":1,"reason":"http","message":"","detail":${"[".repeat(9_000)}${"]".repeat(9_000)}}`,
        ),
      ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(said, { maxLength: 12 }), rawFrames, async (messages, raw) => {
      const { ended } = await outcomesOf(messages, raw);
      for (const { outcome, endCount } of ended) {
        assert.equal(endCount, 1);
        if (outcome.kind !== "failed") continue;
        for (const dialect of ["corral", "baseten", "cerebrium", "openai"] as const) {
          const answer = failureAnswer(dialect, outcome.failure, "run");
          new ServerResponse(new IncomingMessage(new Socket())).writeHead(answer.status, answer.headers);
        }
      }
    }),
    { numRuns: 150 },
  );
});

function frameOf(text: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(text.length, 0);
  return Buffer.concat([head, Buffer.from(text)]);
}

const answer = { kind: "answer", id: 1, status: 200, headers: [], stream: true };
for (const [what, messages] of [
  ["a second answer", [answer, answer]],
  ["a chunk before an answer", [{ kind: "chunk", id: 1 }]],
  ["an end before an answer", [{ kind: "end", id: 1 }]],
  ["waiting after its code has answered", [answer, { kind: "waiting", id: 1 }]],
  ["a header that holds a line's end", [{ ...answer, headers: [["x-mine", "a\nb"]] }]],
] as const) {
  test(`${what} breaks the protocol and fails the calls of the worker`, async () => {
    const { ended, broken } = await outcomesOf(
      messages.map((one) => ({ message: one, body: Buffer.alloc(0) })),
      null,
    );
    assert.match(broken ?? "", /out of order|no value of a header/);
    assert.deepEqual(
      ended.slice(0, 2).map(({ outcome }) => outcome.kind === "failed" && outcome.failure.reason),
      ["lost", "lost"],
    );
  });
}

test("headers of the connection are the replica's, however a worker spells them", async () => {
  const { ended } = await outcomesOf(
    [
      {
        message: {
          ...answer,
          stream: false,
          headers: [
            ["Content-Length", "1"],
            ["X-Mine", "yes"],
          ],
        },
        body: Buffer.from("{}"),
      },
    ],
    null,
  );
  const [first] = ended;
  assert.ok(first?.outcome.kind === "value");
  assert.deepEqual(headersOf(first.outcome.head), { "x-mine": "yes" });
});
