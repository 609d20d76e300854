// The part of S3's protocol that an upload of one archive needs: one PUT, or parts. Every request is signed with the
// keys of that upload, which `model_s3_upload_credentials` gave; there is nothing to read or list.

import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import type { UploadStore } from "../../../blob/upload-store.ts";
import { readBody } from "../../../gateway/read-body.ts";
import type { Db, UploadRow } from "../../../store/schema.ts";
import {
  claimRequest,
  findUpload,
  finishRequest,
  forgetRequest,
  type UploadOutcome,
  type UploadRequest,
} from "../../../store/uploads.ts";
import { isToken, keysOf } from "./credentials.ts";
import { readPartList } from "./part-list.ts";
import { escapeXml, s3Error, s3ErrorAnswer, xml } from "./s3-error.ts";
import { isSignedWith, readClaim, type Claim, type SignedRequest } from "./signature.ts";
import { announcedBytes, verifiedBody } from "./verified-body.ts";

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
/** A client begins a new one where it takes the last for failed. */
const mostAttempts = 4;
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

/** What is answered once the request is written down as carried out. */
interface Answer {
  readonly outcome: UploadOutcome;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request's place in its upload, and what it will take there. */
type Wish = Pick<UploadRequest, "attempt" | "part" | "bytes">;

interface Operation {
  readonly method: "PUT" | "POST" | "DELETE";
  readonly summary: string;
  readonly wish: (request: Call, authorised: Authorised) => Wish;
  readonly carryOut: (request: Call, authorised: Authorised, wish: Wish) => Promise<Answer>;
}

/** To be registered in a scope of its own: its bodies are streams. */
export function registerS3Routes(app: FastifyInstance, { db, uploads, uploadSecret, now }: S3Services): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));

  const route = ({ method, summary, wish: wishOf, carryOut }: Operation) =>
    app.route<{ Params: Params; Querystring: Query }>({
      method,
      url: "/s3/:bucket/:key",
      config: { guard: "signature", errorAnswer: s3ErrorAnswer },
      schema: { summary, tags: ["truss"], ...(method === "POST" ? { body: z.any().describe("XML") } : {}) },
      handler: async (request, reply) => {
        const authorised = await authorise(request);
        const wish = wishOf(request, authorised);
        const written = { ...wish, signature: authorised.claim.signature, uploadId: authorised.upload.id };
        await claim(written);
        let answer: Answer;
        try {
          answer = await carryOut(request, authorised, wish);
        } catch (error) {
          // Only what worked is refused the next time: what failed may be repeated as it was.
          await forgetRequest(db, written.signature);
          throw error;
        }
        await finishRequest(db, written, answer.outcome);
        return reply
          .code(answer.status)
          .headers(answer.headers ?? {})
          .send(answer.body);
      },
    });

  /** From here on nobody else carries the request out, and what it brings has its room. */
  async function claim(request: UploadRequest): Promise<void> {
    const { maxBytes } = uploads;
    const claimed = await claimRequest(db, request, { maxBytes, maxAttempts: mostAttempts });
    switch (claimed.kind) {
      case "claimed":
        return;
      case "sent_before":
        throw s3Error("AccessDenied", "A request with this signature was sent before; sign it again.");
      case "no_room":
        throw s3Error(
          "EntityTooLarge",
          `An archive has at most ${maxBytes} bytes; ${claimed.takenBytes} of it are here or on their way, and this would bring ${request.bytes} more.`,
        );
      case "many_attempts":
        throw s3Error(
          "InvalidRequest",
          `The upload has ${mostAttempts} attempts in parts already; give one up, or push again.`,
        );
    }
  }

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

  route({
    method: "PUT",
    summary: "Truss: send an archive, or a part of one, as to S3",
    wish({ query }, { claim: signed, headers }) {
      const { uploadId: attempt, partNumber } = query;
      const bytes = announcedBytes(signed, headers);
      if (attempt === undefined && partNumber === undefined) return { attempt: null, part: null, bytes };
      const part = Number(partNumber);
      if (!Number.isInteger(part) || part < 1 || part > 10_000) {
        throw s3Error("InvalidArgument", "partNumber must be from 1 to 10,000.");
      }
      return { attempt: requireAttempt(attempt), part, bytes };
    },
    async carryOut(request, { upload, claim: signed, headers }, { attempt, part }) {
      const body = verifiedBody(request.raw, signed, headers);
      if (attempt === null || part === null) {
        const { etag } = await uploads.put(upload.id, body);
        return { outcome: "archive", status: 200, headers: { etag: `"${etag}"` } };
      }
      const received = await uploads.putPart(upload.id, attempt, part, body);
      if (received === null) throw noAttempt();
      return { outcome: "part", status: 200, headers: { etag: `"${received.etag}"` } };
    },
  });

  route({
    method: "POST",
    summary: "Truss: begin or complete an archive in parts",
    wish: ({ query }) => ({
      attempt: query["uploads"] === undefined ? requireAttempt(query["uploadId"]) : randomUUID(),
      part: null,
      bytes: 0,
    }),
    async carryOut(request, { upload, claim: signed, headers }, { attempt }) {
      const sent = Readable.from([await readBody(request.raw)]);
      const body = await readAll(verifiedBody(sent, signed, withoutChecksums(headers)));
      const named = requireAttempt(attempt ?? undefined);
      if (request.query["uploads"] !== undefined) {
        await uploads.begin(upload.id, named);
        return xmlAnswer(
          "begun",
          "InitiateMultipartUploadResult",
          upload.id,
          `<UploadId>${named}</UploadId>`,
        );
      }
      const completion = await uploads.complete(upload.id, named, readPartList(body));
      switch (completion.kind) {
        case "no_attempt":
          throw noAttempt();
        case "no_part":
          throw s3Error("InvalidPart", `Part ${completion.number} is not there with that ETag.`);
        case "complete": {
          const etag = `<ETag>"${completion.archive.etag}"</ETag>`;
          return xmlAnswer("archive", "CompleteMultipartUploadResult", upload.id, etag);
        }
      }
    },
  });

  route({
    method: "DELETE",
    summary: "Truss: give up an archive in parts",
    wish: ({ query }) => ({ attempt: requireAttempt(query["uploadId"]), part: null, bytes: 0 }),
    async carryOut(_request, { upload }, { attempt }) {
      const removed = await uploads.abort(upload.id, requireAttempt(attempt ?? undefined));
      // What is complete stays.
      return { outcome: removed ? "abandoned" : "begun", status: 204 };
    },
  });
}

function xmlAnswer(outcome: UploadOutcome, name: string, key: string, content: string): Answer {
  const body = xml(
    `<${name}><Bucket>${uploadBucket}</Bucket><Key>${escapeXml(key)}</Key>${content}</${name}>`,
  );
  return { outcome, status: 200, headers: { "content-type": "application/xml" }, body };
}

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

async function readAll(source: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
