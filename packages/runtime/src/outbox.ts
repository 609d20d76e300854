// The replica's reports on their way to the platform: numbered from 1, kept until acknowledged, sent again in order
// after a re-dial. Pure bookkeeping; knows no sockets and no time.

import type { Report, ReportBody } from "@corral/contract";

export class Outbox {
  /** Reports above `#acknowledged`, in order of their numbers and without gaps. */
  #kept: Report[] = [];
  #lastNumber = 0;
  #acknowledged = 0;
  #sent = 0;

  /** Highest number that is committed; every report up to it is gone from here. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Number of the newest report; 0 before the first. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  get keptCount(): number {
    return this.#lastNumber - this.#acknowledged;
  }

  /** Whether a report was sent that the platform has not committed yet. */
  get awaitsAcknowledgement(): boolean {
    return this.#sent > this.#acknowledged;
  }

  add(report: ReportBody): number {
    this.#lastNumber += 1;
    this.#kept.push({ number: this.#lastNumber, report });
    return this.#lastNumber;
  }

  /** The next report that this connection has not been sent, or null. */
  takeUnsent(): Report | null {
    const next = this.#kept[this.#sent - this.#acknowledged];
    if (next === undefined) return null;
    this.#sent = next.number;
    return next;
  }

  /** A new connection begins after the last acknowledged report. */
  rewind(): void {
    this.#sent = this.#acknowledged;
  }

  /**
   * Drops what is committed. False where there is no report of that number, which only a confused peer says; an
   * older number than before changes nothing.
   */
  acknowledge(number: number): boolean {
    if (number > this.#lastNumber) return false;
    if (number <= this.#acknowledged) return true;
    this.#kept = this.#kept.slice(number - this.#acknowledged);
    this.#acknowledged = number;
    this.#sent = Math.max(this.#sent, number);
    return true;
  }
}
