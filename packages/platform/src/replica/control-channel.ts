// The platform's end of the control channel: dials the replica until it is closed, takes its reports in order,
// acknowledges what is committed. Knows neither what a report means nor where it is stored.

import { request } from "node:http";
import type { Duplex } from "node:stream";
import {
  controlPath,
  controlProtocol,
  reportSchema,
  type ControlMessage,
  type Report,
} from "@corral/contract";
import { requestOptions } from "./address.ts";
import { lineSplitter } from "./lines.ts";

/** A finished run's output is in one line. */
const lineLimitBytes = 64 * 1024 * 1024;
const redialMs = 25;
const slowRedialMs = 250;
const dialTimeoutMs = 2_000;
/** So many dials are quick: a replica that lost its channel ends after `channelLossGraceMs`. */
const quickDialCount = 200;
const recordRetryMs = 250;
/** How long reports that nobody waits for wait for one that somebody does: most calls then take one commit, not two. */
const lingerMs = 5;

export interface ControlChannelOptions {
  readonly address: string;
  readonly token: string | null;
  /** Commits reports, ascending by number; gives the number up to which all are committed. May be asked twice. */
  readonly record: (reports: readonly Report[]) => Promise<number>;
  /** Whether an answer waits for the report's commit; until one comes, others are held for up to 5 ms. Default: all. */
  readonly isUrgent?: (report: Report) => boolean;
  /** Reports that are committed, once each, in order. */
  readonly onCommitted: (reports: readonly Report[]) => void;
  /** The replica speaks another protocol: it cannot be trusted with runs. */
  readonly onViolation: (detail: string) => void;
  readonly onRecordError: (error: unknown) => void;
}

export interface ControlChannel {
  /** False where the channel is down just now. */
  send(message: ControlMessage): boolean;
  /** Stops dialling; resolves when the reports that came are committed. */
  close(): Promise<void>;
}

export function openControlChannel(options: ControlChannelOptions): ControlChannel {
  const { address, token, record, isUrgent = () => true, onCommitted, onViolation, onRecordError } = options;
  let socket: Duplex | null = null;
  let closed = false;
  let dialCount = 0;
  let timer: NodeJS.Timeout | null = null;
  /** Came, not yet committed. */
  let pending: Report[] = [];
  let committing: Promise<void> | null = null;
  let committedNumber = 0;
  let hurry = (): void => {};

  const write = (message: ControlMessage): boolean => {
    if (socket === null || !socket.writable) return false;
    socket.write(`${JSON.stringify(message)}\n`);
    return true;
  };

  const redialLater = () => {
    if (closed || timer !== null) return;
    timer = setTimeout(dial, dialCount < quickDialCount ? redialMs : slowRedialMs);
  };

  function dial(): void {
    timer = null;
    if (closed) return;
    dialCount += 1;
    const dialling = request({
      ...requestOptions(address),
      path: controlPath,
      agent: false,
      timeout: dialTimeoutMs,
      headers: {
        connection: "Upgrade",
        upgrade: controlProtocol,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    dialling.once("upgrade", (_response, opened: Duplex, head: Buffer) => attach(opened, head));
    dialling.once("response", (response) => {
      response.resume();
      redialLater();
    });
    dialling.once("timeout", () => dialling.destroy(new Error("timeout")));
    dialling.once("error", redialLater);
    dialling.end();
  }

  function attach(opened: Duplex, head: Buffer): void {
    if (closed) {
      opened.destroy();
      return;
    }
    socket = opened;
    dialCount = 0;
    if ("setTimeout" in opened && typeof opened.setTimeout === "function") opened.setTimeout(0);
    const violate = (detail: string) => {
      opened.destroy();
      onViolation(detail);
    };
    const take = lineSplitter(
      lineLimitBytes,
      (line) => {
        const report = readReport(line);
        if (report === null) violate(`a line is no report: ${line.slice(0, 200)}`);
        else receive(report);
      },
      () => violate(`a line is over ${lineLimitBytes} bytes`),
    );
    opened.on("data", take);
    opened.once("error", () => opened.destroy());
    opened.once("close", () => {
      if (socket === opened) socket = null;
      redialLater();
    });
    if (head.length > 0) take(head);
  }

  function receive(report: Report): void {
    // After a lost channel a replica sends again what was not acknowledged.
    if (report.number <= committedNumber) {
      write({ kind: "ack", number: committedNumber });
      return;
    }
    if (pending.some(({ number }) => number === report.number)) return;
    pending.push(report);
    if (isUrgent(report)) hurry();
    committing ??= commit().finally(() => (committing = null));
  }

  /** One commit at a time: what comes meanwhile goes into the next one together. */
  async function commit(): Promise<void> {
    while (pending.length > 0) {
      await company();
      // A copy: what comes during the commit joins `pending`, not this batch.
      const batch = [...pending];
      try {
        const number = await record(batch);
        pending = pending.slice(batch.length);
        committedNumber = Math.max(committedNumber, number);
        write({ kind: "ack", number: committedNumber });
        onCommitted(batch);
      } catch (error) {
        onRecordError(error);
        if (closed) return;
        await new Promise((resolve) => setTimeout(resolve, recordRetryMs));
      }
    }
  }

  /** The rest of the chunk that is being read; then, where nothing is urgent, a few milliseconds. */
  async function company(): Promise<void> {
    await Promise.resolve();
    if (closed || pending.some(isUrgent)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timeout = setTimeout(resolve, lingerMs);
    hurry = resolve;
    await promise;
    clearTimeout(timeout);
  }

  dial();
  return {
    send: write,
    async close() {
      closed = true;
      hurry();
      if (timer !== null) clearTimeout(timer);
      socket?.destroy();
      await committing;
    },
  };
}

function readReport(line: string): Report | null {
  try {
    const parsed = reportSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
