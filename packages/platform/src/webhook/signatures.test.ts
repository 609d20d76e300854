import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { basetenSignature, cerebriumSignature, standardSignature } from "./signatures.ts";

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const openAi = new OpenAI({ apiKey: "unused", webhookSecret: secret });

test("OpenAI's client verifies a delivery, and refuses one that was changed, is old, or is another's", async () => {
  const body = Buffer.from('{"run_id":"é"}');
  const now = Math.floor(Date.now() / 1000);
  const headers = (timestamp: number, own = secret) => ({
    "webhook-id": "m1",
    "webhook-timestamp": String(timestamp),
    "webhook-signature": standardSignature(own, "m1", timestamp, body),
  });
  const verify = (text: string, given: Record<string, string>) =>
    openAi.webhooks.verifySignature(text, given);
  await verify(body.toString(), headers(now));
  const other = `whsec_${Buffer.alloc(32, 8).toString("base64")}`;
  const both = { ...headers(now, other) };
  both["webhook-signature"] += ` ${headers(now)["webhook-signature"]}`;
  await verify(body.toString(), both);
  await assert.rejects(verify(`${body.toString()} `, headers(now)));
  await assert.rejects(verify(body.toString(), { ...headers(now), "webhook-id": "m2" }));
  await assert.rejects(verify(body.toString(), headers(now - 3_600)));
  await assert.rejects(verify(body.toString(), headers(now, other)));
});

test("Cerebrium's signature is the one that its servers were seen to make", () => {
  const id = "21eb3b98-4b10-9ad6-8681-a47172828024";
  const body = Buffer.from(`{"run_id":"${id}","run_time_ms":1.5,"result":{"smile":"wave"}}`);
  assert.equal(
    cerebriumSignature("s3cret", id, 1_700_000_000, body),
    "v1,7d620a0c9a43e184f0472d06eae929cd4d80de7effd7ef546f71aa0c5543111e",
  );
});

test("Baseten's signature covers the body alone, with the secret's text as the key", () => {
  // Computed with Python's hmac.
  assert.equal(
    basetenSignature("whsec_abc", Buffer.from("{}")),
    "v1=a7e20c39a3bd9a0d00109906483a125cba27c676f9feabcde8702361770cc020",
  );
});
