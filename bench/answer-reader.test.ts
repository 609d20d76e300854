import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader, type ReadAnswer } from "./answer-reader.ts";

const plain = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{"\u00e4'.replace("ä", "\u00c3\u00a4");
const chunked = "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

test("answers are told apart however their bytes are cut", () => {
  const bytes = Buffer.from(plain + chunked + plain, "latin1");
  for (let size = 1; size <= bytes.length; size += 1) {
    const answers: ReadAnswer[] = [];
    const reader = new AnswerReader((answer) => answers.push(answer));
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    assert.deepEqual(
      answers.map(({ status, text }) => [status, text.length]),
      [
        [200, 4],
        [503, 13],
        [200, 4],
      ],
    );
  }
});

test("an answer without a length is refused, since nobody could tell its end", () => {
  const reader = new AnswerReader(() => undefined);
  assert.throws(() => reader.push(Buffer.from("HTTP/1.1 200 OK\r\n\r\n{}")), /neither a length nor chunks/);
});
