// Fills a partial file from the hub: several ranges at once where the server knows ranges, one stream where it does not,
// and after a cut each goes on from its last byte.

import { ServingError } from "@corral/contract";
import { PassingFailure } from "./failures.ts";
import { getFromHub, type HubAnswer } from "./http.ts";
import type { HubConnection, RepositoryFile } from "./listing.ts";
import type { Gap, PartialFile } from "./partial-file.ts";
import { withRetries } from "./retry.ts";

export interface RemoteFile {
  readonly repository: string;
  readonly commit: string;
  readonly file: RepositoryFile;
}

export interface RangeOptions {
  readonly connection: HubConnection;
  /** Most ranges at once. */
  readonly connectionCount: number;
  /** Told how many bytes came, after they are written. */
  readonly onBytes: (receivedBytes: number) => void;
}

interface Run extends RangeOptions {
  readonly remote: RemoteFile;
  readonly partial: PartialFile;
  /** By origin: the strong ETag of its earlier answers, for If-Range; null where it does not hold to it. */
  readonly validators: Map<string, string | null>;
}

/**
 * Fetches what `partial` lacks. Fails with `download_corrupt` when the hub contradicts its own listing, else as
 * `getFromHub` once the retries are used up; what came by then stays in `partial`.
 */
export async function fetchRanges(
  remote: RemoteFile,
  partial: PartialFile,
  options: RangeOptions,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.connection.signal, stop.signal]);
  const run: Run = {
    ...options,
    connection: { ...options.connection, signal },
    remote,
    partial,
    validators: new Map(),
  };
  const segments: number[] = [];
  const fillRest = async (): Promise<void> => {
    for (let segment = segments.shift(); segment !== undefined; segment = segments.shift())
      await fillSegment(run, segment, null);
  };
  // One request finds out whether the server knows ranges; the others start once it has answered.
  const begun = Promise.withResolvers<boolean>();
  const lead = async (): Promise<void> => {
    const first = await begin(run).catch((error: unknown) => {
      begun.resolve(false);
      throw error;
    });
    for (let segment = 0; segment < partial.segmentCount; segment += 1)
      if (segment !== first?.gap.segment && partial.gap(segment) !== null) segments.push(segment);
    begun.resolve(true);
    if (first !== null) await fillSegment(run, first.gap.segment, first);
    await fillRest();
  };
  const follow = async (): Promise<void> => {
    if (await begun.promise) await fillRest();
  };
  const followers = Math.min(options.connectionCount, partial.segmentCount) - 1;
  await together([lead(), ...Array.from({ length: Math.max(0, followers) }, follow)], stop);
}

/** Waits for all; the first that fails stops the others, and its error is thrown when they have ended. */
async function together(tasks: readonly Promise<void>[], stop: AbortController): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    tasks.map((task) =>
      task.catch((error: unknown) => {
        failures.push(error);
        stop.abort();
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

interface Begun {
  readonly gap: Gap;
  readonly answer: HubAnswer;
}

/** Asks for the first gap. Null: the server gave the whole file instead, and now all of it is there. */
async function begin(run: Run): Promise<Begun | null> {
  const { partial } = run;
  let begun: Begun | null = null;
  await retried(
    run,
    () => partial.doneBytes(),
    async () => {
      const gap = firstGap(partial);
      if (gap === null) return;
      const answer = await requestGap(run, gap);
      if (answer.status === 200) await fillWhole(run, answer);
      else begun = { gap, answer };
    },
  );
  return begun;
}

function firstGap(partial: PartialFile): Gap | null {
  for (let segment = 0; segment < partial.segmentCount; segment += 1) {
    const gap = partial.gap(segment);
    if (gap !== null) return gap;
  }
  return null;
}

/** `begun` is an answer that is there already. */
async function fillSegment(run: Run, segment: number, begun: Begun | null): Promise<void> {
  let first = begun;
  await retried(
    run,
    () => run.partial.gap(segment)?.start ?? Number.POSITIVE_INFINITY,
    async () => {
      const gap = first?.gap ?? run.partial.gap(segment);
      if (gap === null) return;
      const answer = first?.answer ?? (await requestGap(run, gap));
      first = null;
      if (answer.status === 200) {
        answer.discard();
        throw new PassingFailure(`${answer.origin} no longer answers with parts of ${run.remote.file.path}.`);
      }
      await fillGap(run, gap, answer);
    },
  );
}

async function retried(run: Run, reached: () => number, attempt: () => Promise<void>): Promise<void> {
  const { retry, signal } = run.connection;
  let best = reached();
  await withRetries(attempt, retry, signal, () => {
    const now = reached();
    const further = now > best;
    best = Math.max(best, now);
    return further;
  });
}

/** 206 with the bytes from the gap's start, or 200 with the whole file; both checked against the listing. */
async function requestGap(run: Run, gap: Gap): Promise<HubAnswer> {
  const { repository, commit, file } = run.remote;
  const path = file.path.split("/").map(encodeURIComponent).join("/");
  const isWhole = gap.start === 0 && gap.end === file.sizeBytes;
  const answer = await getFromHub(
    `${run.connection.settings.endpoint}/${repository}/resolve/${commit}/${path}`,
    {
      subject: { repository, revision: commit, path: file.path },
      accept: [416],
      headersFor(origin) {
        if (isWhole) return {};
        const validator = run.validators.get(origin);
        return {
          range: `bytes=${gap.start}-${gap.end - 1}`,
          ...(typeof validator === "string" ? { "if-range": validator } : {}),
        };
      },
    },
    run.connection,
  );
  const contradiction = contradictionOf(answer, gap, run.remote);
  if (contradiction !== null) {
    answer.discard();
    throw new ServingError(
      "download_corrupt",
      `${file.path} of ${repository}: ${contradiction}. Nothing of it was used; try again, or another mirror (HF_ENDPOINT).`,
    );
  }
  noteValidator(run.validators, answer);
  return answer;
}

/** A server of several machines may give each answer another ETag: then the digest alone tells. */
function noteValidator(validators: Map<string, string | null>, { origin, status, headers }: HubAnswer): void {
  const etag = headers.get("etag");
  if (status === 200 && validators.has(origin)) validators.set(origin, null);
  else if (status === 206 && !validators.has(origin) && etag?.startsWith('"') === true)
    validators.set(origin, etag);
}

/** Where the answer is not what the listing announced; null: it agrees as far as its headers tell. */
function contradictionOf(answer: HubAnswer, gap: Gap, { commit, file }: RemoteFile): string | null {
  const linked = (answer.hubHeaders.get("x-linked-etag") ?? answer.hubHeaders.get("etag") ?? "").replaceAll(
    /^W\/|"/g,
    "",
  );
  if (
    /^[0-9a-f]{40,64}$/.test(linked) &&
    linked.length === file.digest.hex.length &&
    linked !== file.digest.hex
  )
    return `listed with the digest ${file.digest.hex}, sent with ${linked}`;
  const linkedSize = answer.hubHeaders.get("x-linked-size");
  if (linkedSize !== null && Number(linkedSize) !== file.sizeBytes)
    return `listed with ${file.sizeBytes} bytes, sent with ${linkedSize}`;
  const sentCommit = answer.hubHeaders.get("x-repo-commit");
  if (sentCommit !== null && sentCommit !== commit) return `asked for at ${commit}, sent at ${sentCommit}`;
  if (answer.headers.get("content-encoding") !== null)
    return "sent compressed although that was not asked for";
  if (answer.status === 200) {
    const length = answer.headers.get("content-length");
    return length === null || Number(length) === file.sizeBytes
      ? null
      : `listed with ${file.sizeBytes} bytes, sent with ${length}`;
  }
  const range = answer.headers.get("content-range") ?? "";
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range) ?? [];
  if (answer.status === 416 || (total !== undefined && total !== "*" && Number(total) !== file.sizeBytes))
    return `listed with ${file.sizeBytes} bytes, but the server says "${range}"`;
  return Number(start) === gap.start ? null : `asked for from byte ${gap.start} on, sent as "${range}"`;
}

async function fillGap(run: Run, gap: Gap, answer: HubAnswer): Promise<void> {
  let at = gap.start;
  for await (const chunk of answer.body) {
    // A server may send more than it was asked for. One that does not is read to its end, for the next request.
    const bytes = chunk.subarray(0, gap.end - at);
    await run.partial.append(gap.segment, bytes);
    at += bytes.length;
    run.onBytes(chunk.length);
    if (bytes.length < chunk.length) break;
  }
  if (at < gap.end) throw endedEarly(run, answer, at);
}

/** Bytes that are there already are passed over. */
async function fillWhole(run: Run, answer: HubAnswer): Promise<void> {
  const { partial, remote } = run;
  const { sizeBytes } = remote.file;
  let at = 0;
  for await (const chunk of answer.body) {
    const end = Math.min(at + chunk.length, sizeBytes);
    for (let from = at; from < end;) {
      const segment = Math.floor(from / partial.segmentBytes);
      const until = Math.min(end, (segment + 1) * partial.segmentBytes);
      const start = partial.gap(segment)?.start ?? until;
      if (start < until) await partial.append(segment, chunk.subarray(start - at, until - at));
      from = until;
    }
    run.onBytes(chunk.length);
    if (at + chunk.length > sizeBytes) break;
    at = end;
  }
  if (partial.contiguousEnd() < sizeBytes) throw endedEarly(run, answer, at);
}

const endedEarly = (run: Run, answer: HubAnswer, at: number): PassingFailure =>
  new PassingFailure(
    `${answer.origin} ended ${run.remote.file.path} at ${at} of ${run.remote.file.sizeBytes} bytes.`,
  );
