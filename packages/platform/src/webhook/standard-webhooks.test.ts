import assert from "node:assert/strict";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { standardSignature } from "./signatures.ts";

const secretOf = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString("base64")}`;

test("the reference library verifies a delivery during a rotation, with either secret, and refuses a changed one", () => {
  const timestamp = Math.floor(Date.now() / 1000);
  const body = Buffer.from(JSON.stringify({ run_id: "r", output: "é\u2028" }));
  const [fresh, old] = [secretOf(1), secretOf(2)];
  const headers = {
    "webhook-id": "d1",
    "webhook-timestamp": String(timestamp),
    "webhook-signature": [fresh, old]
      .map((secret) => standardSignature(secret, "d1", timestamp, body))
      .join(" "),
  };
  for (const secret of [fresh, old])
    assert.deepEqual(new Webhook(secret).verify(body.toString(), headers), JSON.parse(body.toString()));
  const mine = new Webhook(fresh);
  const tampered = body.toString().replace('"r"', '"s"');
  assert.throws(() => mine.verify(tampered, headers), /No matching signature/);
  assert.throws(() => mine.verify(body.toString(), { ...headers, "webhook-id": "d2" }), /No matching/);
  assert.throws(() => mine.verify(body.toString(), { ...headers, "webhook-timestamp": "1" }), /too old/);
  assert.throws(() => new Webhook(secretOf(3)).verify(body.toString(), headers), /No matching/);
});
