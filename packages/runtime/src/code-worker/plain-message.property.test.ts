import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { plainMessage } from "./plain-message.ts";
import { workerMessageSchema } from "./protocol.ts";

const header = fc.oneof(
  fc.constant(["content-type", "application/json"]),
  fc.constant(["content-type", "application/octet-stream"]),
  fc.array(fc.oneof(fc.constantFrom("content-type", "connection", "__proto__", "x y"), fc.string()), {
    maxLength: 3,
  }),
);
const id = fc.oneof(fc.integer({ min: -1, max: 9 }), fc.constantFrom(0.5, "1", null, 2 ** 53, Number.NaN));
const message = fc.oneof(
  fc.record(
    {
      kind: fc.constantFrom("answer", "waiting", "begun", "chunk", "other"),
      id,
      status: fc.oneof(fc.constant(200), fc.constantFrom(99, 404, "200")),
      headers: fc.oneof(fc.array(header, { maxLength: 2 }), fc.constantFrom(null, {})),
      stream: fc.oneof(fc.boolean(), fc.constant(1)),
      is_response: fc.boolean(),
      more: fc.anything(),
    },
    { requiredKeys: ["kind"], noNullPrototype: true },
  ),
  fc.record({ kind: fc.constantFrom("waiting", "begun"), id }, { noNullPrototype: true }),
  fc.record(
    {
      kind: fc.constant("answer"),
      id,
      status: fc.constant(200),
      headers: fc.array(header, { minLength: 1, maxLength: 1 }),
      stream: fc.boolean(),
    },
    { noNullPrototype: true },
  ),
  fc.anything(),
);

test("a message that is taken without its schema is what the schema makes of it", () => {
  let plainCount = 0;
  fc.assert(
    fc.property(message, (candidate) => {
      const plain = plainMessage(candidate);
      if (plain === null) return;
      plainCount += 1;
      assert.deepEqual(plain, workerMessageSchema.parse(candidate));
    }),
    { numRuns: 2_000 },
  );
  assert.ok(plainCount > 100, `${plainCount} were plain`);
});
