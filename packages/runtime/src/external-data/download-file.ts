// One file from an author's URL to the disk. The address is checked where the connection is made, at every redirect, so
// that no name can mean one thing to the check and another to the socket.

import { ServingError } from "@corral/contract";
import type { MayReach } from "@corral/weights";
import { lookup, type LookupAddress } from "node:dns";
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface DownloadOptions {
  readonly mayReach: MayReach;
  readonly signal: AbortSignal;
  /** Longest silence of a server. */
  readonly stallMs: number;
  /** Of the file. */
  readonly limitBytes: number;
  /** `totalBytes` is null where the server does not say. */
  readonly onProgress: (doneBytes: number, totalBytes: number | null) => void;
}

/** In the names of files that are not whole. */
export const partMark = ".part-";
const maxRedirects = 5;

/** `target` is there whole or not at all. Fails with `external_data_failed`. */
export async function downloadFile(address: string, target: string, options: DownloadOptions): Promise<void> {
  const shown = withoutSecrets(address);
  const making = `${target}${partMark}${randomUUID()}`;
  try {
    const response = await open(parse(address), options);
    const total = Number(response.headers["content-length"] ?? Number.NaN);
    const totalBytes = Number.isSafeInteger(total) ? total : null;
    let doneBytes = 0;
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        doneBytes += chunk.length;
        if (doneBytes > options.limitBytes)
          return done(new Error(`it is larger than ${options.limitBytes} bytes`));
        options.onProgress(doneBytes, totalBytes);
        done(null, chunk);
      },
    });
    await pipeline(response, counted, createWriteStream(making), { signal: options.signal });
    if (totalBytes !== null && doneBytes !== totalBytes)
      throw new Error(`it broke off after ${doneBytes} bytes`);
    await rename(making, target);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServingError(
      "external_data_failed",
      `external_data: ${shown} cannot be downloaded: ${reason}.`,
      {
        cause: error,
      },
    );
  } finally {
    await rm(making, { force: true });
  }
}

/** Signed addresses carry their secret after the question mark. */
function withoutSecrets(address: string): string {
  return address.split(/[?#]/, 1)[0]?.replace(/\/\/[^/@]*@/, "//") ?? "";
}

function parse(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol))
    throw new Error("it is no http or https address");
  return url;
}

async function open(first: URL, options: DownloadOptions): Promise<IncomingMessage> {
  let url = first;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const response = await ask(url, options);
    const { statusCode = 0 } = response;
    const { location } = response.headers;
    if (statusCode >= 300 && statusCode < 400 && location !== undefined) {
      response.destroy();
      if (!URL.canParse(location, url.href)) throw new Error("it redirects to no address");
      const next = parse(new URL(location, url).href);
      if (url.protocol === "https:" && next.protocol === "http:")
        throw new Error("it redirects from https to http");
      url = next;
      continue;
    }
    if (statusCode === 200) return response;
    response.destroy();
    throw new Error(`${url.host} answers ${statusCode}`);
  }
  throw new Error(`it redirects more than ${maxRedirects} times`);
}

function ask(url: URL, { mayReach, signal, stallMs }: DownloadOptions): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // A literal address is not looked up.
  if (isIP(host) !== 0 && !mayReach(host, host)) throw new Error(notAllowed(host, host));
  const settings: RequestOptions = {
    signal,
    timeout: stallMs,
    headers: { accept: "*/*", "user-agent": "corral" },
    agent: false,
    lookup: (name, lookupOptions, done) => {
      lookup(name, { ...lookupOptions, all: true }, (error, addresses: LookupAddress[]) => {
        if (error !== null) return done(error, []);
        const wrong = addresses.find(({ address }) => !mayReach(address, name));
        const [found] = addresses;
        if (wrong !== undefined || found === undefined) {
          return done(new Error(notAllowed(name, wrong?.address ?? "no address")), []);
        }
        if (lookupOptions.all === true) done(null, addresses);
        else done(null, found.address, found.family);
      });
    },
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, settings, resolve);
    request.on("timeout", () => request.destroy(new Error(`${url.host} was silent for ${stallMs / 1000} s`)));
    request.on("error", reject);
    request.end();
  });
}

function notAllowed(name: string, address: string): string {
  return `${name} is at ${address}, which is no public address; list it in CORRAL_EGRESS_ALLOW if it is meant`;
}
