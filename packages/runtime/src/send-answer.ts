// Whole answers onto a response: a run's, and errors in the envelope of the caller's family.

import { errorAnswer, type ServingError, type WholeAnswer } from "@corral/contract";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readDialect } from "./call-headers.ts";
import type { PredictAnswer } from "./dialects/dialect.ts";

/** Bytes of an answer that is kept whole. */
export const longestKeptAnswer = 4 * 1024 * 1024;

/** Null for one that is too long to be kept. */
export function wholeAnswer(status: number, contentType: string, body: Buffer): WholeAnswer | null {
  if (body.length > longestKeptAnswer) return null;
  return { status, content_type: contentType, body_base64: body.toString("base64") };
}

export function sendJson(response: ServerResponse, { body, headers }: PredictAnswer): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length, ...headers });
  response.end(bytes);
}

/** In the family's own envelope; ours where the family is not known. */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: ServingError,
  runId: string | null,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const dialect = readDialect(request.headers) ?? "corral";
  const answer = errorAnswer(dialect, error, {
    runId,
    // The path here is the replica's own and would tell the caller nothing.
    instance: runId === null ? null : `urn:uuid:${runId}`,
    source: "replica",
  });
  response.writeHead(answer.status, {
    ...answer.headers,
    ...headers,
    "content-length": Buffer.byteLength(answer.body),
  });
  response.end(answer.body);
}
