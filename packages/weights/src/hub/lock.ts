// A lock between processes as a file, for "only one of us fetches this". It saves bytes; that no half-written file is
// ever taken for a whole one rests on renames and digests, not on it.

import { randomBytes } from "node:crypto";
import { link, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { livenessOf, ownMark, type OwnerMark } from "./owner.ts";

export interface HeldLock {
  release(): Promise<void>;
}

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Told again and again while another process holds it; true: the wait is over, what it guards is there. */
  readonly whileWaiting: () => Promise<boolean>;
  readonly pollMs?: number;
  /** A holder that cannot be looked at must touch its lock this often. */
  readonly staleMs?: number;
}

interface LockNote extends OwnerMark {
  readonly nonce: string;
}

const touchMs = 5_000;

/**
 * Waits for the lock and takes it; null: `whileWaiting` ended the wait. A lock whose holder is dead, or has not touched
 * it for `staleMs` on a machine that cannot be looked at, is taken over. Fails as the file system does.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<HeldLock | null> {
  const { signal, pollMs = 250, staleMs = 60_000 } = options;
  const note: LockNote = { ...ownMark(), nonce: randomBytes(8).toString("hex") };
  const text = JSON.stringify(note);
  const watch = { text: "", mtimeMs: 0, sinceMs: 0 };
  for (;;) {
    signal.throwIfAborted();
    if (await createWhole(path, text)) return hold(path, note);
    const [held, mtimeMs] = await look(path);
    if (held === null) continue;
    if (held !== watch.text || mtimeMs !== watch.mtimeMs)
      Object.assign(watch, { text: held, mtimeMs, sinceMs: performance.now() });
    if (isStale(held, performance.now() - watch.sinceMs, staleMs)) {
      await removeExactly(path, held);
      continue;
    }
    if (await options.whileWaiting()) return null;
    await pause(pollMs, undefined, { signal });
  }
}

/** True when the file did not exist and now does, with all of its text from its first instant. */
async function createWhole(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}`;
  await writeFile(temporary, text);
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    // No second names on this file system: the exclusive flag is what is left.
    return await writeExclusive(path, text);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeExclusive(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

/** Text and time of the last touch; null: no lock. One that cannot be read has the text "". */
async function look(path: string): Promise<[string | null, number]> {
  try {
    const { mtimeMs } = await stat(path);
    return [await readFile(path, "utf8"), mtimeMs];
  } catch (error) {
    return hasCode(error, "ENOENT") ? [null, 0] : ["", 0];
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

function isStale(text: string, unchangedMs: number, staleMs: number): boolean {
  const note = parseNote(text);
  if (note === null) return unchangedMs > staleMs;
  const liveness = livenessOf(note);
  return liveness === "dead" || (liveness === "unknown" && unchangedMs > staleMs);
}

function parseNote(text: string): LockNote | null {
  try {
    const note: unknown = JSON.parse(text);
    return typeof note === "object" && note !== null && "pid" in note && typeof note.pid === "number"
      ? (note as LockNote)
      : null;
  } catch {
    return null;
  }
}

/** Removes the lock with that text; one that somebody took in between is put back. */
async function removeExactly(path: string, text: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const taken = await readFile(aside, "utf8").catch(() => "");
  if (taken !== text) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function hold(path: string, note: LockNote): HeldLock {
  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, touchMs).unref();
  return {
    async release() {
      clearInterval(touch);
      const [text] = await look(path);
      if (text !== null && parseNote(text)?.nonce === note.nonce) await rm(path, { force: true });
    },
  };
}
