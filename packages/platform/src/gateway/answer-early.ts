// Answers a request before its body was read, in a way that the client can read the answer: it is complete at
// once, and what still arrives is thrown away for a bounded time before the connection ends.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorAnswer } from "@corral/contract";

const discardMs = 2_000;
const discardBytes = 64 * 1024 * 1024;

export function answerEarly(request: IncomingMessage, response: ServerResponse, answer: ErrorAnswer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = Buffer.from(answer.body);
  // Without a body a request is complete a moment later than it is answered here.
  const hasBody =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  const unread = hasBody && !request.complete;
  response.writeHead(answer.status, {
    ...answer.headers,
    "content-length": body.byteLength,
    ...(unread ? { connection: "close" } : {}),
  });
  if (!unread) {
    response.end(body);
    return;
  }
  response.write(body);
  let discarded = 0;
  const finish = () => {
    clearTimeout(timer);
    if (!response.writableEnded) response.end();
  };
  const timer = setTimeout(finish, discardMs);
  request.on("data", (chunk: Buffer) => {
    discarded += chunk.byteLength;
    if (discarded > discardBytes) finish();
  });
  request.once("end", finish).once("error", finish).once("close", finish).resume();
}
