// An archive of 2 GiB, sent by S3's protocol in parts, eight at a time: the platform's memory stays what it was.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { startCorral } from "../../e2e/harness.ts";
import { one, platformProcess } from "../../e2e/processes.ts";
import { signed, type UploadAnswer } from "@corral/platform/testing/signed-upload";

const partBytes = 8 * 1024 * 1024;
const atOnce = 8;
/** What it may grow by, whatever the archive's size. */
const mostGrowthMib = 300;

/** @param gibibytes of the archive; default 2 */
export async function proveTrussUpload(gibibytes = "2"): Promise<void> {
  const partCount = Math.round((Number(gibibytes) * 1024 ** 3) / partBytes);
  if (!(partCount >= 1 && partCount <= 10_000))
    throw new TypeError(`${gibibytes} GiB are no 1 to 10,000 parts`);
  await using corral = await startCorral({ quickstart: false });
  const { pid } = await one(corral, platformProcess);
  const query = "{ model_s3_upload_credentials { s3_key } }";
  const answer = (await (await corral.post("/graphql/", { query })).json()) as {
    data: { model_s3_upload_credentials: UploadAnswer };
  };
  const keys = answer.data.model_s3_upload_credentials;
  const send = async (method: string, search: string, body: Uint8Array<ArrayBuffer> = new Uint8Array()) => {
    const url = `${keys.endpoint_url}/${keys.s3_bucket}/${keys.s3_key}${search}`;
    const response = await fetch(url, { method, headers: signed(keys, { method, url, body }), body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${search}: ${response.status} ${text}`);
    return { text, etag: response.headers.get("etag") ?? "" };
  };
  const attempt = /<UploadId>([^<]+)</.exec((await send("POST", "?uploads")).text)?.[1] ?? "";
  const before = await residentMib(pid);
  let peak = before;
  const startedAt = performance.now();
  const content = new Uint8Array(randomBytes(partBytes));
  const etags: string[] = [];
  let next = 1;
  const lane = async () => {
    for (let number = next++; number <= partCount; number = next++) {
      etags[number - 1] = (await send("PUT", `?partNumber=${number}&uploadId=${attempt}`, content)).etag;
      peak = Math.max(peak, await residentMib(pid));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const list = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const completion = `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`;
  await send("POST", `?uploadId=${attempt}`, new Uint8Array(Buffer.from(completion)));
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${gibibytes} GiB in ${partCount} parts, ${atOnce} at a time: ${seconds.toFixed(1)} s; resident memory of the platform ${before} MiB before, ${peak} MiB at most`,
  );
  if (peak - before > mostGrowthMib) {
    console.log(`It grew by more than ${mostGrowthMib} MiB.`);
    process.exitCode = 1;
  }
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}
