import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { before, test } from "node:test";
import { crc32 } from "node:zlib";
import { startTestPlatform, type TestPlatform } from "../../../testing/start-test-platform.ts";
import { until } from "../../../testing/until.ts";
import { credentials, objectUrl, send } from "../testing/truss-command.ts";
import { signed, type UploadAnswer } from "../testing/sign.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

const body = Buffer.from("an archive, or what is taken for one");
const put = (keys: UploadAnswer, more: object = {}) =>
  send(keys, { method: "PUT", url: objectUrl(keys), body, ...more });
const codeOf = async (response: Response) => /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1];
const uploaded = ({ s3_key }: UploadAnswer) =>
  existsSync(join(platform.home, "uploads", s3_key, "archive.json"));

test("an archive that is put once has its md5 as ETag, and the answer's address leads here", async () => {
  const keys = await credentials(platform);
  assert.equal(keys.endpoint_url, `${platform.url}/s3`);
  assert.deepEqual(Object.keys(keys).toSorted(), [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "endpoint_url",
    "region_name",
    "s3_bucket",
    "s3_key",
  ]);
  const response = await put(keys, {
    headers: { "x-amz-checksum-crc32": base64Crc(body) },
  });
  assert.equal(response.status, 200, await response.clone().text());
  assert.equal(response.headers.get("etag"), `"${createHash("md5").update(body).digest("hex")}"`);
  assert.ok(uploaded(keys));
});

test("a wrong checksum, digest or length is refused, nothing is kept, and the next try may succeed", async () => {
  const keys = await credentials(platform);
  const other = createHash("sha256").update("other").digest("hex");
  assert.equal(await codeOf(await put(keys, { content: other })), "XAmzContentSHA256Mismatch");
  const wrong = { "x-amz-checksum-crc32": base64Crc(Buffer.from("other")) };
  assert.equal(await codeOf(await put(keys, { headers: wrong })), "BadDigest");
  const md5 = { "content-md5": createHash("md5").update("other").digest("base64") };
  assert.equal(await codeOf(await put(keys, { headers: md5 })), "BadDigest");
  assert.ok(!uploaded(keys));
  assert.equal((await put(keys)).status, 200);
});

test("a body in aws-chunked with its checksum in the trailer is decoded and checked", async () => {
  const keys = await credentials(platform);
  const chunked = (checksum: string) =>
    Buffer.from(
      `${body.length.toString(16)}\r\n${body.toString()}\r\n0\r\nx-amz-checksum-crc32:${checksum}\r\n\r\n`,
    );
  const more = (checksum: string, length = body.length) => ({
    body: chunked(checksum),
    content: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    headers: {
      "content-encoding": "aws-chunked",
      "x-amz-trailer": "x-amz-checksum-crc32",
      "x-amz-decoded-content-length": String(length),
    },
  });
  assert.equal(await codeOf(await put(keys, more("AAAAAA=="))), "BadDigest");
  assert.equal(await codeOf(await put(keys, more(base64Crc(body), 3))), "IncompleteBody");
  const untrailed = more(base64Crc(body));
  const { "x-amz-trailer": _, ...headers } = untrailed.headers;
  assert.equal(await codeOf(await put(keys, { ...untrailed, headers })), "InvalidRequest");
  const response = await put(keys, more(base64Crc(body)));
  assert.equal(response.status, 200, await response.clone().text());
  assert.equal(response.headers.get("etag"), `"${createHash("md5").update(body).digest("hex")}"`);
});

test("credentials are good for their own object, with their own token, until they expire", async () => {
  const keys = await credentials(platform);
  const others = await credentials(platform);
  const elsewhere = objectUrl(others);
  assert.equal(await codeOf(await send(keys, { method: "PUT", url: elsewhere, body })), "AccessDenied");
  const mixed = { ...keys, aws_session_token: others.aws_session_token };
  assert.equal(await codeOf(await put(mixed)), "AccessDenied");
  const wrong = { ...keys, aws_secret_access_key: others.aws_secret_access_key };
  assert.equal(await codeOf(await put(wrong)), "SignatureDoesNotMatch");
  const unknown = { ...keys, aws_access_key_id: "CRRLNOSUCHKEY", s3_key: keys.s3_key };
  assert.equal(await codeOf(await put(unknown)), "InvalidAccessKeyId");
  const at = new Date(Date.now() - 20 * 60_000);
  assert.equal(await codeOf(await put(keys, { at })), "RequestTimeTooSkewed");
  await platform.store.db
    .updateTable("uploads")
    .set({ expires_at: new Date(Date.now() - 1) })
    .where("id", "=", keys.s3_key)
    .execute();
  assert.equal(await codeOf(await put(keys)), "ExpiredToken");
  assert.ok(!uploaded(keys));
});

test("a request that was carried out is not carried out again, and one that failed is", async () => {
  const keys = await credentials(platform);
  const request = { method: "PUT", url: objectUrl(keys), body };
  const headers = signed(keys, request);
  const replay = (sent = body) => fetch(request.url, { method: "PUT", headers, body: new Uint8Array(sent) });
  const wrong = Buffer.from(body).fill("x");
  assert.equal(await codeOf(await replay(wrong)), "XAmzContentSHA256Mismatch");
  assert.equal((await replay()).status, 200);
  assert.equal(await codeOf(await replay()), "AccessDenied");
});

test("of equal requests that come at the same time one is carried out", async () => {
  const keys = await credentials(platform);
  const request = { method: "PUT", url: objectUrl(keys), body };
  const headers = signed(keys, request);
  const answers = await Promise.all(
    Array.from({ length: 6 }, () =>
      fetch(request.url, { method: "PUT", headers, body: new Uint8Array(body) }),
    ),
  );
  const codes = await Promise.all(answers.map(codeOf));
  assert.deepEqual(
    codes.toSorted((x = "", y = "") => (x < y ? -1 : 1)),
    [...Array<string>(5).fill("AccessDenied"), undefined],
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.ok(uploaded(keys));
});

test("an upload in parts is whole once it is completed, with parts sent in any order and again", async () => {
  const keys = await credentials(platform);
  const algorithm = { "x-amz-checksum-algorithm": "CRC32" };
  const begin = { method: "POST", url: objectUrl(keys, "?uploads"), headers: algorithm };
  const begun = await (await send(keys, begin)).text();
  const attempt = /<UploadId>([^<]+)<\/UploadId>/.exec(begun)?.[1] ?? "";
  const part = async (number: number, text: string) => {
    const url = objectUrl(keys, `?partNumber=${number}&uploadId=${attempt}`);
    return (await send(keys, { method: "PUT", url, body: Buffer.from(text) })).headers.get("etag") ?? "";
  };
  const etags = [await part(2, "world"), await part(1, "wrong"), await part(1, "hello ")];
  const complete = (first: string, second: string) =>
    send(keys, {
      method: "POST",
      url: objectUrl(keys, `?uploadId=${attempt}`),
      body: Buffer.from(
        `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${first}</ETag></Part><Part><PartNumber>2</PartNumber><ETag>${second}</ETag></Part></CompleteMultipartUpload>`,
      ),
    });
  assert.equal(await codeOf(await complete(etags[1] ?? "", etags[0] ?? "")), "InvalidPart");
  assert.ok(!uploaded(keys));
  const response = await complete(etags[2] ?? "", etags[0] ?? "");
  assert.equal(response.status, 200, await response.clone().text());
  assert.match(await response.text(), /<ETag>"[0-9a-f]{32}-2"<\/ETag>/);
  assert.ok(uploaded(keys));
  // S3's client gives up an attempt that it takes for failed; what is complete stays.
  assert.equal(
    (await send(keys, { method: "DELETE", url: objectUrl(keys, `?uploadId=${attempt}`) })).status,
    204,
  );
  assert.ok(uploaded(keys));
});

test("an attempt that nobody began, and one that was given up, take no parts", async () => {
  const keys = await credentials(platform);
  const begun = await (await send(keys, { method: "POST", url: objectUrl(keys, "?uploads") })).text();
  const attempt = /<UploadId>([^<]+)<\/UploadId>/.exec(begun)?.[1] ?? "";
  assert.equal(
    (await send(keys, { method: "DELETE", url: objectUrl(keys, `?uploadId=${attempt}`) })).status,
    204,
  );
  for (const id of [attempt, "../../x", "00000000-0000-0000-0000-000000000000"]) {
    const url = objectUrl(keys, `?partNumber=1&uploadId=${encodeURIComponent(id)}`);
    assert.equal(await codeOf(await send(keys, { method: "PUT", url, body })), "NoSuchUpload", id);
  }
});

test("an upload that is cut in the middle leaves nothing, and the next one is whole", async () => {
  const keys = await credentials(platform);
  const request = { method: "PUT", url: objectUrl(keys), body };
  const headers = signed(keys, request);
  const socket = connect(platform.port, "127.0.0.1");
  const lines = Object.entries({ ...headers, host: `127.0.0.1:${platform.port}` });
  socket.write(
    `PUT ${new URL(request.url).pathname} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}content-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body.subarray(0, 10));
  const directory = join(platform.home, "uploads", keys.s3_key);
  await until("it arrives", () => existsSync(directory));
  socket.destroy();
  await until("nothing is left of it", () => readdirSync(directory).length === 0);
  assert.ok(!uploaded(keys));
  assert.equal((await send(keys, request)).status, 200);
  assert.ok(uploaded(keys));
});

const begin = async (keys: UploadAnswer) => {
  // Signed a second later, the same request has another signature.
  const at = new Date(Date.now() + 1_000 * (begun += 1));
  const answer = await send(keys, { method: "POST", url: objectUrl(keys, "?uploads"), at });
  return { answer: answer.clone(), attempt: /<UploadId>([^<]+)</.exec(await answer.text())?.[1] ?? "" };
};
let begun = 0;

test("more than the limit is refused before it arrives, of parts that come at the same time as well", async () => {
  const keys = await credentials(platform);
  const { attempt } = await begin(keys);
  const big = Buffer.alloc(3 * 1024 * 1024);
  const part = (number: number, at = new Date()) =>
    send(keys, {
      method: "PUT",
      url: objectUrl(keys, `?partNumber=${number}&uploadId=${attempt}`),
      body: big,
      at,
    });
  const codes = await Promise.all([1, 2, 3, 4, 5].map(async (number) => codeOf(await part(number))));
  assert.equal(codes.filter((code) => code === undefined).length, 2, "8 MiB have room for two");
  assert.equal(codes.filter((code) => code === "EntityTooLarge").length, 3);
  const taken = codes.indexOf(undefined) + 1;
  assert.equal(
    (await part(taken, new Date(Date.now() + 1_000))).status,
    200,
    "the same part again needs no more room",
  );
  const { attempt: another } = await begin(keys);
  const elsewhere = objectUrl(keys, `?partNumber=1&uploadId=${another}`);
  assert.equal(
    await codeOf(await send(keys, { method: "PUT", url: elsewhere, body: big })),
    "EntityTooLarge",
  );
  await send(keys, { method: "DELETE", url: objectUrl(keys, `?uploadId=${attempt}`) });
  const at = new Date(Date.now() + 2_000);
  assert.equal((await send(keys, { method: "PUT", url: elsewhere, body: big, at })).status, 200);
});

test("a fifth attempt in parts is refused until one of them is given up", async () => {
  const keys = await credentials(platform);
  const attempts = [];
  for (let count = 0; count < 4; count += 1) attempts.push((await begin(keys)).attempt);
  const { answer } = await begin(keys);
  assert.equal(await codeOf(answer.clone()), "InvalidRequest");
  assert.match(await answer.text(), /4 attempts .* give one up/);
  await send(keys, { method: "DELETE", url: objectUrl(keys, `?uploadId=${attempts[0]}`) });
  assert.notEqual((await begin(keys)).attempt, "");
});

test("a body must say how long it is, and not more than that is taken", async () => {
  const keys = await credentials(platform);
  const request = { method: "PUT", url: objectUrl(keys), body, content: "UNSIGNED-PAYLOAD" };
  const unsized = await fetch(request.url, {
    method: "PUT",
    headers: signed(keys, request),
    body: new Blob([body]).stream(),
    duplex: "half",
  });
  assert.equal(unsized.status, 411);
  assert.equal(await codeOf(unsized), "MissingContentLength");
  assert.ok(!uploaded(keys));
});

test("nothing is read or listed, and unsigned requests are refused", async () => {
  const keys = await credentials(platform);
  for (const url of [objectUrl(keys), `${keys.endpoint_url}/${keys.s3_bucket}`]) {
    assert.ok([404, 405].includes((await fetch(url)).status), url);
  }
  const unsigned = await fetch(objectUrl(keys), { method: "PUT", body: new Uint8Array(body) });
  assert.equal(unsigned.status, 403);
  assert.equal(await codeOf(unsigned), "AccessDenied");
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});

function base64Crc(bytes: Uint8Array): string {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(crc32(bytes));
  return word.toString("base64");
}
