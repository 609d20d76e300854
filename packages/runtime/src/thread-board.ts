// Where the replicas of one user and host tell each other who computes: a directory with a file of 32 bytes a replica.
// What it says holds for 300 ms only, so a killed replica is forgotten by itself; no lock, no daemon, no pool thread.

import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { createForeignLoadMeter, type ForeignLoadMeter } from "./machine.ts";
import {
  grantThreadCount,
  lastingLoad,
  loadWindowCount,
  usableThreadCount,
  type BusyPeer,
  type Machine,
} from "./thread-count.ts";

export interface ThreadBoardOptions {
  /** Null: no other replica is looked for. */
  readonly directory: string | null;
  /** Threads this replica would use alone. */
  readonly wish: number;
  readonly machine: Machine;
  /** Tests give their own; the clock must be the same for all processes of the host. */
  readonly nowMs?: () => number;
  readonly meter?: ForeignLoadMeter;
  /** Called for a directory that cannot be used; the replica then counts as alone. */
  readonly onProblem?: (reason: string) => void;
}

/** A file says until when its replica is busy; it is written again well before that. */
const busyMs = 300;
const renewMs = 150;
export const tickMs = 250;
/** A replica that has not written for so long is gone, and its file is removed. */
const goneMs = 60_000;

const recordBytes = 32;

interface Peer {
  readonly name: string;
  readonly file: number;
}

export class ThreadBoard implements Disposable {
  readonly #wish: number;
  readonly #machine: Machine;
  readonly #nowMs: () => number;
  readonly #meter: ForeignLoadMeter;
  readonly #name = `${process.pid}-${process.hrtime.bigint()}`;
  readonly #unloadedThreadCount: number;
  readonly #record = new Float64Array(recordBytes / 8);
  readonly #peerRecord = new Float64Array(recordBytes / 8);
  readonly #foreignCores: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #directory: string | null;
  #file: number | null = null;
  #peers: Peer[] = [];
  #capacity: number;
  #computing = false;
  #threadCount = 0;
  #lastStepAtMs = -Infinity;
  #announcedUntilMs = -Infinity;

  constructor({ directory, wish, machine, nowMs = hostNowMs, meter, onProblem }: ThreadBoardOptions) {
    this.#wish = wish;
    this.#machine = machine;
    this.#nowMs = nowMs;
    this.#meter = meter ?? createForeignLoadMeter();
    this.#unloadedThreadCount = usableThreadCount(machine, 0);
    this.#capacity = this.#unloadedThreadCount;
    const problem = directory === null ? null : refuseDirectory(directory);
    if (problem !== null) onProblem?.(problem);
    this.#directory = problem === null ? directory : null;
    this.#look(this.#nowMs());
    this.#timer = setInterval(() => this.tick(), tickMs).unref();
  }

  /** A step begins; gives its number of threads, in `[1, wish]`. */
  begin(): number {
    const threadCount =
      this.#wish === 1
        ? 1
        : grantThreadCount({ name: this.#name, wish: this.#wish }, this.#busyPeers(), {
            threadCount: this.#capacity,
            unloadedThreadCount: this.#unloadedThreadCount,
          });
    const nowMs = this.#nowMs();
    this.#computing = true;
    this.#lastStepAtMs = nowMs;
    const changed = threadCount !== this.#threadCount;
    this.#threadCount = threadCount;
    if (changed || nowMs > this.#announcedUntilMs - renewMs) this.#write(nowMs, nowMs + busyMs);
    return threadCount;
  }

  end(): void {
    this.#computing = false;
    this.#lastStepAtMs = this.#nowMs();
  }

  /** What a timer does: renews the own file, looks for others and for foreign load. */
  tick(): void {
    this.#look(this.#nowMs());
    const peerCores = this.#busyPeers().reduce((sum, peer) => sum + peer.threadCount, 0);
    this.#foreignCores.push(Math.max(0, this.#meter.read() - peerCores));
    if (this.#foreignCores.length > loadWindowCount) this.#foreignCores.shift();
    this.#capacity = usableThreadCount(this.#machine, lastingLoad(this.#foreignCores));
  }

  #look(nowMs: number): void {
    const busy = this.#computing || nowMs - this.#lastStepAtMs < renewMs;
    this.#write(nowMs, busy ? nowMs + busyMs : 0);
    this.#findPeers(nowMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#meter[Symbol.dispose]();
    for (const { file } of this.#peers) closeSync(file);
    this.#peers = [];
    if (this.#file !== null && this.#directory !== null) removeFile(join(this.#directory, this.#name));
    this.#leave();
  }

  #write(nowMs: number, busyUntilMs: number): void {
    if (this.#directory === null) return;
    this.#announcedUntilMs = busyUntilMs;
    this.#record.set([nowMs, busyUntilMs, this.#wish, this.#threadCount]);
    try {
      this.#file ??= openSync(join(this.#directory, this.#name), "wx", 0o600);
      writeSync(this.#file, this.#record, 0, recordBytes, 0);
    } catch {
      // A full or vanished directory: alone, it can still compute.
      this.#leave();
    }
  }

  #leave(): void {
    this.#directory = null;
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #findPeers(nowMs: number): void {
    if (this.#directory === null || this.#file === null) return;
    // A process that was stopped for long finds its file removed by others.
    if (fstatSync(this.#file).nlink === 0) {
      closeSync(this.#file);
      this.#file = null;
    }
    const names = new Set(listDirectory(this.#directory));
    names.delete(this.#name);
    for (const { name, file } of this.#peers) if (!names.has(name)) closeSync(file);
    this.#peers = this.#peers.filter(({ name }) => names.has(name));
    for (const { name } of this.#peers) names.delete(name);
    for (const name of names) {
      const file = openFile(join(this.#directory, name));
      if (file !== null) this.#peers.push({ name, file });
    }
    for (const { name, file } of this.#peers) {
      const writtenAtMs = this.#read(file) ? (this.#peerRecord[0] ?? 0) : -Infinity;
      // A clock that ran ahead is one of before the machine's last start.
      if (Math.abs(nowMs - writtenAtMs) > goneMs) removeFile(join(this.#directory, name));
    }
  }

  #busyPeers(): BusyPeer[] {
    if (this.#peers.length === 0) return [];
    const nowMs = this.#nowMs();
    const busy: BusyPeer[] = [];
    for (const { name, file } of this.#peers) {
      if (!this.#read(file)) continue;
      const [, busyUntilMs = 0, wish = 1, threadCount = 1] = this.#peerRecord;
      if (busyUntilMs > nowMs && busyUntilMs <= nowMs + busyMs) busy.push({ name, wish, threadCount });
    }
    return busy;
  }

  #read(file: number): boolean {
    return readSync(file, this.#peerRecord, 0, recordBytes, 0) === recordBytes;
  }
}

/** Milliseconds of the clock that all processes of a running machine share. */
function hostNowMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Makes the directory; gives why it cannot be trusted, or null. */
function refuseDirectory(directory: string): string | null {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const info = lstatSync(directory);
    const isOurs = info.isDirectory() && info.uid === process.getuid?.() && (info.mode & 0o077) === 0;
    return isOurs ? null : `${directory} is not a directory of this user alone`;
  } catch (error) {
    return `${directory} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function openFile(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch {
    return null;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Another replica was faster.
  }
}
