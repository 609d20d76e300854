import assert from "node:assert/strict";
import { test } from "node:test";
import { checksumOfHeader, startChecksum } from "./checksums.ts";

/** Of "123456789": the check values of the CRC catalogue, and digests of the same text. */
const known = {
  crc32: "cbf43926",
  crc32c: "e3069283",
  sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
  sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
};

test("each checksum of a known text is the published one, in however many pieces", () => {
  for (const [name, hex] of Object.entries(known)) {
    for (const pieces of [["123456789"], ["1234", "", "56789"]]) {
      const checksum = startChecksum(name);
      for (const piece of pieces) checksum.update(Buffer.from(piece));
      assert.equal(checksum.digest(), Buffer.from(hex, "hex").toString("base64"), name);
    }
  }
});

test("a header of another kind is none, and an unknown checksum is refused by name", () => {
  assert.equal(checksumOfHeader("x-amz-date"), null);
  assert.equal(checksumOfHeader("x-amz-checksum-algorithm"), null);
  assert.equal(checksumOfHeader("X-Amz-Checksum-CRC32"), "crc32");
  assert.throws(() => checksumOfHeader("x-amz-checksum-crc64nvme"), /crc64nvme is not known here/);
});
