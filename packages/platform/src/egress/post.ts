// The one door for calls to URLs that someone outside chose: the address is checked where the connection is made, so
// that no name can mean one thing to the check and another to the socket; redirects are not followed; time and what is
// read of an answer are bounded. Proxies of the environment are not used, since they would look names up themselves.

import { lookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { redact } from "@corral/contract";
import type { EgressRules } from "@corral/weights";
import { Agent, errors } from "undici";
import type { AttemptOutcome } from "../domain/delivery.ts";
import { checkUrl, notAllowed } from "./check-url.ts";
import { retryAfterMs } from "./retry-after.ts";

/** All addresses of a name. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

export interface EgressOptions {
  readonly rules: EgressRules;
  /** Default: the system's. */
  readonly resolve?: Resolve;
  /** From the beginning to the end of the answer. Default 10,000. */
  readonly timeoutMs?: number;
  readonly now: () => number;
}

export interface Egress extends AsyncDisposable {
  /** Never fails. `headers` and `body` go as they are. */
  post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer,
    signal?: AbortSignal,
  ): Promise<AttemptOutcome>;
}

/** Read of an answer, so that its connection can be used again; more of it costs the connection. */
const mostReadBytes = 64 * 1024;
/** Kept of it. */
const mostKeptBytes = 1024;
const mostHeaderBytes = 16 * 1024;

class NotAllowed extends Error {}

export function createEgress({
  rules,
  resolve = resolveBySystem,
  timeoutMs = 10_000,
  now,
}: EgressOptions): Egress {
  const checkedLookup: LookupFunction = (name, options, done) => {
    void resolve(name).then(
      (found) => {
        const addresses = found.filter(
          ({ family }) => options.family === undefined || options.family === 0 || options.family === family,
        );
        const [first] = addresses;
        // One of them leading inside is enough: who would be called is chance.
        const wrong = found.find(({ address }) => !rules.mayReach(address, name));
        if (wrong !== undefined) done(new NotAllowed(notAllowed(name, wrong.address)), []);
        else if (first === undefined) done(new Error(`${name} has no address`), []);
        else if (options.all === true) done(null, [...addresses]);
        else done(null, first.address, first.family);
      },
      (error: Error) => done(error, []),
    );
  };
  const agent = new Agent({
    connect: { lookup: checkedLookup, timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    // As a name may lead elsewhere soon.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 15_000,
    maxHeaderSize: mostHeaderBytes,
    pipelining: 1,
  });

  return {
    async post(text, headers, body, signal) {
      const checked = checkUrl(text, rules);
      if (checked.kind === "refused") return { kind: "refused", problem: checked.problem };
      const { origin, pathname, search } = checked.url;
      const timeout = AbortSignal.timeout(timeoutMs);
      const bounded = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
      try {
        const response = await agent.request({
          origin,
          path: pathname + search,
          method: "POST",
          headers: { ...headers, "accept-encoding": "identity" },
          body,
          signal: bounded,
        });
        // The status is the answer, whatever becomes of the rest.
        const excerpt = await readExcerpt(response.body);
        const retryAfter = response.headers["retry-after"];
        return {
          kind: "answered",
          status: response.statusCode,
          retryAfterMs: retryAfterMs(typeof retryAfter === "string" ? retryAfter : null, now()),
          excerpt,
        };
      } catch (error) {
        if (error instanceof NotAllowed) return { kind: "refused", problem: error.message };
        if (timeout.aborted)
          return { kind: "failed", reason: `No answer came within ${timeoutMs / 1000} s.` };
        return { kind: "failed", reason: reasonOf(error) };
      }
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
    },
  };
}

async function readExcerpt(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string> {
  const kept: Buffer[] = [];
  let [readBytes, keptBytes] = [0, 0];
  try {
    for await (const chunk of body) {
      const part = chunk.subarray(0, mostKeptBytes - keptBytes);
      if (part.length > 0) kept.push(Buffer.from(part));
      keptBytes += part.length;
      readBytes += chunk.length;
      if (readBytes > mostReadBytes) break;
    }
  } catch {
    // It broke off: what came is what there is.
  } finally {
    body.destroy();
  }
  // The database keeps no U+0000, and no terminal should see the other control characters.
  return redact(
    Buffer.concat(kept)
      .toString("utf8")
      .replaceAll(/[\p{Cc}\uFFFD]+/gu, " ")
      .trim(),
  );
}

function reasonOf(error: unknown): string {
  const cause = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  if (cause instanceof errors.HeadersOverflowError) return "The receiver's headers are too large.";
  const text = cause instanceof Error ? cause.message : String(cause);
  return `No answer came: ${text.replaceAll(/[\p{Cc}]+/gu, " ").slice(0, 300)}.`;
}

function resolveBySystem(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  });
}
