// The whole body of a request, for the few calls that the gateway itself has to look into.

import type { IncomingMessage } from "node:http";
import { ServingError } from "@corral/contract";
import { bodyLimitBytes, bodyPauseMs, bodyTooLarge } from "./proxy.ts";

/** Fails with `body_too_large`, with `timeout` where the caller pauses too long, or with `client_closed`. */
export function readBody(request: IncomingMessage, pauseMs = bodyPauseMs): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  const settle = () => {
    clearTimeout(pause);
    request.off("data", take).off("end", end).off("close", left).off("error", left);
  };
  const fail = (error: ServingError) => {
    settle();
    // Later errors of a connection that is given up are nobody's.
    request.on("error", () => {});
    reject(error);
  };
  const take = (chunk: Buffer) => {
    pause.refresh();
    length += chunk.length;
    chunks.push(chunk);
    if (length > bodyLimitBytes) fail(bodyTooLarge(bodyLimitBytes));
  };
  const end = () => {
    settle();
    resolve(Buffer.concat(chunks));
  };
  const left = () => fail(new ServingError("client_closed", "The body ended too early."));
  const pause = setTimeout(
    () => fail(new ServingError("timeout", `Nothing of the body arrived for ${pauseMs / 1000} seconds.`)),
    pauseMs,
  );
  if (request.destroyed && !request.complete) left();
  else request.on("data", take).once("end", end).once("close", left).once("error", left);
  return promise;
}
