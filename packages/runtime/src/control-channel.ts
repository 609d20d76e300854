// The replica's end of the control channel: one connection that the platform dialled, reports out, messages in.
// Knows nothing of runs; who needs a report's acknowledgement asks `whenAcknowledged`.

import type { Duplex } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import {
  controlMessageSchema,
  controlProtocol,
  type ControlMessage,
  type ReportBody,
} from "@corral/contract";
import type { Log } from "./log.ts";
import { Outbox } from "./outbox.ts";

/** Messages of the platform are short; a longer line is not one of them. */
const longestLine = 64 * 1024;
/** Of one write, about. */
const mostWrittenLength = 64 * 1024;
/** A short run's start goes out together with its end: one write, and one row, for both. */
const unhurriedMs = 5;
/** While the platform has not answered what it was sent last, reports gather for so long: many ends share one write. */
const gatherMs = 1;

export interface ControlChannelOptions {
  readonly log: Log;
  /** `ack` is handled here and not passed on. */
  readonly onMessage: (message: Exclude<ControlMessage, { kind: "ack" }>) => void;
  /** Not called when one connection replaces another, nor after `close`. */
  readonly onConnectionChange: (connected: boolean) => void;
}

interface Waiter {
  readonly number: number;
  readonly onAcknowledged: () => void;
}

export class ControlChannel {
  readonly #options: ControlChannelOptions;
  readonly #outbox = new Outbox();
  #waiters: Waiter[] = [];
  #socket: Duplex | null = null;
  #blocked = false;
  /** Reports of one turn of the event loop go out together. */
  #flushing: NodeJS.Immediate | null = null;
  #gathering: NodeJS.Timeout | null = null;
  #flushingLater: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: ControlChannelOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#socket !== null;
  }

  /** Reports that the platform has not committed yet. */
  get unacknowledgedCount(): number {
    return this.#outbox.keptCount;
  }

  /** Takes over the socket of an upgrade request. A connection that is there already is replaced. */
  accept(socket: Duplex, head: Buffer): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    const previous = this.#socket;
    this.#socket = socket;
    previous?.destroy();
    this.#blocked = false;
    this.#outbox.rewind();
    socket.on("error", (error) => this.#options.log.debug("control channel", { error: error.message }));
    socket.on("close", () => this.#lost(socket));
    socket.on("end", () => socket.destroy());
    socket.on("drain", () => {
      this.#blocked = false;
      this.#flush();
    });
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${controlProtocol}\r\n\r\n`,
    );
    const lines = readLines((line) => this.#receive(socket, line));
    if (head.length > 0) lines(head);
    socket.on("data", lines);
    if (previous === null) this.#options.onConnectionChange(true);
    this.#flush();
  }

  /**
   * Queues a report and gives its number.
   *
   * @param isUnhurried nobody waits for it: it may go out a few milliseconds later, or with the next one that hurries
   */
  report(body: ReportBody, isUnhurried = false): number {
    const number = this.#outbox.add(body);
    if (isUnhurried) this.#flushingLater ??= setTimeout(() => this.#flush(), unhurriedMs);
    else if (this.#outbox.awaitsAcknowledgement)
      this.#gathering ??= setTimeout(() => this.#flush(), gatherMs);
    else this.#flushing ??= setImmediate(() => this.#flush());
    return number;
  }

  /** Resolves once the platform has committed every report up to this number; never, where the channel is closed first. */
  acknowledged(number: number): Promise<void> {
    return new Promise((resolve) => this.whenAcknowledged(number, resolve));
  }

  /** Calls back as soon as the platform has committed every report up to this number: at once where it has. */
  whenAcknowledged(number: number, onAcknowledged: () => void): void {
    if (number <= this.#outbox.acknowledged) onAcknowledged();
    else this.#waiters.push({ number, onAcknowledged });
  }

  /** Resolves once nothing is left that the platform has not committed. */
  allAcknowledged(): Promise<void> {
    return this.acknowledged(this.#outbox.lastNumber);
  }

  close(): void {
    this.#flush();
    this.#closed = true;
    const socket = this.#socket;
    this.#socket = null;
    socket?.end();
  }

  #flush(): void {
    if (this.#flushing !== null) clearImmediate(this.#flushing);
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    if (this.#flushingLater !== null) clearTimeout(this.#flushingLater);
    this.#flushing = this.#gathering = this.#flushingLater = null;
    while (this.#socket !== null && !this.#blocked) {
      const lines = this.#takeLines();
      if (lines === "") return;
      this.#blocked = !this.#socket.write(lines);
    }
  }

  #takeLines(): string {
    let lines = "";
    while (lines.length < mostWrittenLength) {
      const report = this.#outbox.takeUnsent();
      if (report === null) break;
      lines += `${JSON.stringify(report)}\n`;
    }
    return lines;
  }

  #lost(socket: Duplex): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    if (!this.#closed) this.#options.onConnectionChange(false);
  }

  #receive(socket: Duplex, line: string | null): void {
    if (socket !== this.#socket) return;
    const message = line === null ? null : parseMessage(line);
    if (message === null || (message.kind === "ack" && !this.#outbox.acknowledge(message.number))) {
      this.#options.log.error("control channel: not a message, the connection is dropped", {
        line: line?.slice(0, 200) ?? `a line of more than ${longestLine} characters`,
      });
      socket.destroy();
      return;
    }
    if (message.kind !== "ack") {
      this.#options.onMessage(message);
      return;
    }
    if (this.#gathering !== null && !this.#outbox.awaitsAcknowledgement) this.#flush();
    const committed = this.#waiters.filter(({ number }) => number <= message.number);
    if (committed.length === 0) return;
    this.#waiters = this.#waiters.filter(({ number }) => number > message.number);
    for (const { onAcknowledged } of committed) onAcknowledged();
  }
}

function parseMessage(line: string): ControlMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  return controlMessageSchema.safeParse(value).data ?? null;
}

/** Cuts chunks of bytes into lines; null stands for a line that grew too long. */
function readLines(onLine: (line: string | null) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") onLine(line);
    if (rest.length > longestLine) {
      rest = "";
      onLine(null);
    }
  };
}
