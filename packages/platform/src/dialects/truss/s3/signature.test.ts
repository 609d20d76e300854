// The examples of Amazon's own text: "Signature Calculations for the Authorization Header: Transferring Payload in a
// Single Chunk", S3 API reference.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSignedWith, readClaim } from "./signature.ts";

const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const example = (
  method: string,
  target: string,
  extra: Record<string, string>,
  signature: string,
  content = empty,
) => {
  const headers: Record<string, string> = {
    host: "examplebucket.s3.amazonaws.com",
    "x-amz-content-sha256": content,
    "x-amz-date": "20130524T000000Z",
    ...extra,
  };
  const names = Object.keys(headers).toSorted((a, b) => (a < b ? -1 : 1));
  headers["authorization"] =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
    `SignedHeaders=${names.join(";")},Signature=${signature}`;
  return { method, target, headers };
};

const examples = [
  example(
    "GET",
    "/test.txt",
    { range: "bytes=0-9" },
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ),
  example(
    "PUT",
    "/test$file.text",
    { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
  ),
  example("GET", "/?lifecycle", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
  example(
    "GET",
    "/?max-keys=2&prefix=J",
    {},
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  ),
];

test("the signatures of Amazon's examples are the ones that are computed", () => {
  for (const request of examples) {
    assert.ok(isSignedWith(request, readClaim(request), secret), request.target);
  }
});

test("another method, path, query, header or secret has another signature", () => {
  for (const request of examples) {
    const claim = readClaim(request);
    const others = [
      { ...request, method: "POST" },
      { ...request, target: `${request.target}x` },
      { ...request, headers: { ...request.headers, host: "other" } },
    ];
    for (const other of others) assert.ok(!isSignedWith(other, claim, secret));
    assert.ok(!isSignedWith(request, claim, `${secret}x`));
  }
});

test("a claim that leaves an x-amz header unsigned is refused", () => {
  const [request] = examples;
  assert.ok(request !== undefined);
  const headers = { ...request.headers, "x-amz-security-token": "t" };
  assert.throws(() => readClaim({ headers }), /x-amz-security-token must be signed/);
});

test("what is no signature of this kind is refused", () => {
  const [request] = examples;
  assert.ok(request !== undefined);
  const refuse = (change: Record<string, string>, why: RegExp) =>
    assert.throws(() => readClaim({ headers: { ...request.headers, ...change } }), why);
  refuse({ authorization: "Api-Key k" }, /must be signed with AWS4/);
  refuse({ authorization: "AWS4-HMAC-SHA256 Credential=a/b" }, /not complete/);
  refuse({ "x-amz-date": "yesterday" }, /x-amz-date/);
  refuse({ "x-amz-date": "20130525T000000Z" }, /x-amz-date/);
  assert.throws(() => readClaim({ headers: {} }), /not signed/);
});
