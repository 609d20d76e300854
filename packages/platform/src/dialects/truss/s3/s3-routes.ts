// The part of S3's protocol that an upload of one archive needs: one PUT, or parts. Every request is signed with the
// keys of that upload, which `model_s3_upload_credentials` gave; there is nothing to read or list.

import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { UploadStore } from "../../../blob/upload-store.ts";
import { readBody } from "../../../gateway/read-body.ts";
import type { Db, UploadRow } from "../../../store/schema.ts";
import { findUpload, rememberCarriedOut, wasCarriedOut } from "../../../store/uploads.ts";
import { isToken, keysOf } from "./credentials.ts";
import { readPartList } from "./part-list.ts";
import { escapeXml, s3Error, s3ErrorAnswer, xml } from "./s3-error.ts";
import { isSignedWith, readClaim, type Claim, type SignedRequest } from "./signature.ts";
import { verifiedBody } from "./verified-body.ts";

export const uploadBucket = "corral-uploads";
export const uploadRegion = "us-east-1";

export interface S3Services {
  readonly db: Db;
  readonly uploads: UploadStore;
  /** Keys of uploads are derived from it. */
  readonly uploadSecret: Buffer;
  readonly now: () => Date;
}

/** As S3 does it: a signature's time may be so far from ours. */
const longestSkewMs = 15 * 60_000;
const attemptPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Params {
  readonly bucket: string;
  readonly key: string;
}
type Query = Readonly<Record<string, string | undefined>>;
type Call = FastifyRequest<{ Params: Params; Querystring: Query }>;

interface Authorised {
  readonly upload: UploadRow;
  readonly claim: Claim;
  readonly headers: Readonly<Record<string, string>>;
}

/** To be registered in a scope of its own: its bodies are streams. */
export function registerS3Routes(app: FastifyInstance, { db, uploads, uploadSecret, now }: S3Services): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  /** Signatures of requests that are being carried out. */
  const underWay = new Set<string>();

  const route = (method: "PUT" | "POST" | "DELETE", summary: string, carryOut: CarryOut) =>
    app.route<{ Params: Params; Querystring: Query }>({
      method,
      url: "/s3/:bucket/:key",
      config: { guard: "signature", errorAnswer: s3ErrorAnswer },
      schema: { summary, tags: ["truss"], ...(method === "POST" ? { body: z.any().describe("XML") } : {}) },
      handler: async (request, reply) => {
        const authorised = await authorise(request);
        const { signature } = authorised.claim;
        if (underWay.has(signature) || (await wasCarriedOut(db, signature))) {
          throw s3Error("AccessDenied", "A request with this signature was sent before; sign it again.");
        }
        underWay.add(signature);
        try {
          await carryOut(request, reply, authorised);
          // Only what worked is refused the next time: what failed may be repeated as it was.
          await rememberCarriedOut(db, authorised.upload.id, signature);
        } finally {
          underWay.delete(signature);
        }
        return reply;
      },
    });

  async function authorise(request: Call): Promise<Authorised> {
    const signed = signedRequest(request);
    const claim = readClaim(signed);
    const upload = await findUpload(db, claim.accessKey);
    if (upload === null) throw s3Error("InvalidAccessKeyId", "The access key is not known here.");
    const keys = keysOf(uploadSecret, upload.id);
    if (claim.service !== "s3" || !isSignedWith(signed, claim, keys.secretKey)) {
      throw s3Error("SignatureDoesNotMatch", "The signature is not the one of this request and its keys.");
    }
    const token = signed.headers["x-amz-security-token"];
    if (!isToken(keys, token))
      throw s3Error("AccessDenied", "The session token is not that of the access key.");
    const time = now().getTime();
    if (upload.expires_at.getTime() <= time) {
      throw s3Error("ExpiredToken", "These credentials have expired; push again.");
    }
    if (Math.abs(claim.signedAt.getTime() - time) > longestSkewMs) {
      throw s3Error("RequestTimeTooSkewed", "The clocks differ by more than 15 minutes.");
    }
    const { bucket, key } = request.params;
    if (bucket !== uploadBucket || key !== upload.id) {
      throw s3Error("AccessDenied", "These credentials are for another object.");
    }
    if (upload.used_at !== null) {
      throw s3Error("AccessDenied", "A model was made of this archive already; push again.");
    }
    return { upload, claim, headers: signed.headers };
  }

  route("PUT", "Truss: send an archive, or a part of one, as to S3", async (request, reply, authorised) => {
    const { upload, claim, headers } = authorised;
    if (Number(headers["content-length"] ?? 0) > uploads.maxBytes * 1.01 + 4096) {
      throw s3Error("EntityTooLarge", `An archive has at most ${uploads.maxBytes} bytes.`);
    }
    const body = verifiedBody(request.raw, claim, headers);
    const { uploadId: attempt, partNumber } = request.query;
    if (attempt === undefined && partNumber === undefined) {
      const { etag } = await uploads.put(upload.id, body);
      return void reply.code(200).header("etag", `"${etag}"`).send();
    }
    const number = Number(partNumber);
    if (!Number.isInteger(number) || number < 1 || number > 10_000) {
      throw s3Error("InvalidArgument", "partNumber must be from 1 to 10,000.");
    }
    const part = await uploads.putPart(upload.id, requireAttempt(attempt), number, body);
    if (part === null) throw noAttempt();
    return void reply.code(200).header("etag", `"${part.etag}"`).send();
  });

  route("POST", "Truss: begin or complete an archive in parts", async (request, reply, authorised) => {
    const { upload, claim, headers } = authorised;
    const { uploads: begins, uploadId } = request.query;
    const sent = Readable.from([await readBody(request.raw)]);
    const body = await readAll(verifiedBody(sent, claim, withoutChecksums(headers)));
    reply.header("content-type", "application/xml");
    if (begins !== undefined) {
      const attempt = await uploads.begin(upload.id);
      return void reply.send(
        xml(
          `<InitiateMultipartUploadResult>${place(upload.id)}<UploadId>${attempt}</UploadId></InitiateMultipartUploadResult>`,
        ),
      );
    }
    const completion = await uploads.complete(upload.id, requireAttempt(uploadId), readPartList(body));
    switch (completion.kind) {
      case "no_attempt":
        throw noAttempt();
      case "no_part":
        throw s3Error("InvalidPart", `Part ${completion.number} is not there with that ETag.`);
      case "complete":
        return void reply.send(
          xml(
            `<CompleteMultipartUploadResult>${place(upload.id)}<ETag>"${completion.archive.etag}"</ETag></CompleteMultipartUploadResult>`,
          ),
        );
    }
  });

  route("DELETE", "Truss: give up an archive in parts", async (request, reply, { upload }) => {
    await uploads.abort(upload.id, requireAttempt(request.query["uploadId"]));
    return void reply.code(204).send();
  });
}

type CarryOut = (request: Call, reply: FastifyReply, authorised: Authorised) => Promise<void>;

function signedRequest(request: FastifyRequest): SignedRequest {
  const headers = Object.fromEntries(
    Object.entries(request.raw.headers).map(([name, value]) => [name, [value ?? ""].flat().join(",")]),
  );
  return { method: request.method, target: request.raw.url ?? "/", headers };
}

/** Those of a completion are of the whole archive, whose parts were compared one by one. */
function withoutChecksums(headers: Authorised["headers"]): Authorised["headers"] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("x-amz-checksum-")));
}

function requireAttempt(given: string | undefined): string {
  if (given !== undefined && attemptPattern.test(given)) return given;
  throw given === undefined ? s3Error("NotImplemented", "Only uploads are taken here.") : noAttempt();
}

function noAttempt() {
  return s3Error("NoSuchUpload", "There is no such upload in parts; begin again.");
}

function place(key: string): string {
  return `<Bucket>${uploadBucket}</Bucket><Key>${escapeXml(key)}</Key>`;
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
