import assert from "node:assert/strict";
import { test } from "node:test";
import { readPartList } from "./part-list.ts";

const list = (parts: string) => `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`;
const part = (number: number, etag = "a") =>
  `<Part><ETag>"${etag}"</ETag><PartNumber>${number}</PartNumber></Part>`;

test("parts are read in the order of the body, with and without a namespace or other elements", () => {
  const text =
    `<?xml version="1.0"?>\n<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n` +
    "<Part><ChecksumCRC32>x</ChecksumCRC32><ETag>&quot;ab&quot;</ETag><PartNumber> 1 </PartNumber></Part>" +
    "<Part><PartNumber>3</PartNumber><ETag>cd</ETag></Part></CompleteMultipartUpload>";
  assert.deepEqual(readPartList(text), [
    { number: 1, etag: "ab" },
    { number: 3, etag: "cd" },
  ]);
});

test("what is no list of parts is refused", () => {
  const broken = [
    "",
    "no xml",
    list(""),
    list("<Part><ETag>a</ETag></Part>"),
    list("<Piece/>"),
    `<Other>${part(1)}</Other>`,
    list(part(1)).slice(0, -5),
    `<!DOCTYPE a [<!ENTITY b "c">]>${list(part(1, "&b;"))}`,
    list("<Part><ETag><A><B/></A></ETag></Part>"),
  ];
  for (const text of broken) assert.throws(() => readPartList(text), { s3Code: "MalformedXML" }, text);
});

test("parts out of order and numbers that no part has are refused", () => {
  for (const text of [list(part(2) + part(1)), list(part(1) + part(1)), list(part(0)), list(part(10_001))]) {
    assert.throws(() => readPartList(text), { s3Code: "InvalidPart" });
  }
});
