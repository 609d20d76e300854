// A fake hub over files that a test writes, and an empty home beside it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import type { ErrorCode } from "@corral/contract";
import type { FetchedRepository } from "../cached-snapshot.ts";
import type { FetchOptions } from "../fetch.ts";
import { startFakeHub, type FakeHub, type FakeHubOptions } from "./fake-hub.ts";
import type { FakeRepositoryOptions } from "./fake-repositories.ts";

export type Files = Readonly<Record<string, string | Buffer>>;

export interface HubCase {
  readonly hub: FakeHub;
  readonly home: string;
  /** `HF_HUB_CACHE`. */
  readonly cache: string;
  readonly options: FetchOptions;
  /** The options with other variables. */
  readonly withVariables: (environment: Readonly<Record<string, string>>) => FetchOptions;
}

export interface HubCaseOptions extends Omit<FakeHubOptions, "repositories"> {
  readonly repository?: Omit<FakeRepositoryOptions, "directory">;
}

/** The repository is `owner/name`. Waits are short, and files are cut into segments of 100,000 bytes. */
export async function startHubCase(
  t: TestContext,
  files: Files,
  options: HubCaseOptions = {},
): Promise<HubCase> {
  const home = mkdtempSync(join(tmpdir(), "corral-hub-"));
  const directory = join(home, "source");
  writeFiles(directory, files);
  const hub = await startFakeHub({
    repositories: { "owner/name": { directory, ...options.repository } },
    ...options,
  });
  t.after(async () => {
    await hub.close();
    rmSync(home, { recursive: true });
  });
  const base: FetchOptions = {
    environment: { HF_ENDPOINT: hub.url, HF_HOME: join(home, "hf"), HOME: home },
    tuning: { retry: { tries: 4, baseMs: 1, maxMs: 50 }, segmentBytes: 100_000, stallMs: 2_000 },
  };
  return {
    hub,
    home,
    cache: join(home, "hf", "hub"),
    options: base,
    withVariables: (environment) => ({ ...base, environment: { ...base.environment, ...environment } }),
  };
}

export function writeFiles(directory: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

/** Bytes without a pattern that a shift could hide. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed * 2_654_435_761 + 1;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export const index = (...shards: readonly string[]): string =>
  JSON.stringify({ weight_map: Object.fromEntries(shards.map((shard) => [`of ${shard}`, shard])) });

export function assertSame(fetched: FetchedRepository, files: Files, paths: readonly string[]): void {
  assert.deepEqual(fetched.files, paths);
  for (const path of paths)
    assert.ok(
      readFileSync(join(fetched.directory, path)).equals(Buffer.from(files[path] ?? "")),
      `${path} differs`,
    );
}

/** Fails with the code, and a detail in which all patterns are found. */
export async function assertFails(
  attempt: Promise<unknown>,
  code: ErrorCode,
  ...patterns: readonly RegExp[]
): Promise<void> {
  await assert.rejects(attempt, (error: Error & { code?: string }) => {
    assert.equal(error.code, code, `${error.code}: ${error.message}`);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}
