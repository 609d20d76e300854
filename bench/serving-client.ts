// The load client of serving workloads, a process of its own: does what the callers of one job on stdin do, and prints
// one JSON line with when every event came. The same for every server but for the wire.

import { Agent } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Caller, CallRecord, LoadJob, LoadResult, WireName } from "./call.ts";
import { makeCall, type OpenCall } from "./make-call.ts";
import { corralWire } from "./wires/corral.ts";
import { llamaServerWire } from "./wires/llama-server.ts";
import { transformersWire } from "./wires/transformers.ts";
import type { Wire } from "./wires/wire.ts";

const wires: Readonly<Record<WireName, Wire>> = {
  corral: corralWire,
  "llama-server": llamaServerWire,
  transformers: transformersWire,
};

class LoadRun {
  readonly #job: LoadJob;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #startedAt = performance.now();
  readonly #calls: CallRecord[] = [];
  readonly #failures: string[] = [];
  readonly #open = new Set<OpenCall>();
  readonly #ending = new AbortController();
  #interactiveTokenCount = 0;
  #tokenWatchers: (() => void)[] = [];
  #cut = false;

  constructor(job: LoadJob) {
    this.#job = job;
  }

  async run(): Promise<LoadResult> {
    const { callers, limitMs, endsWithGroup } = this.#job;
    const limit = setTimeout(() => {
      this.#cut = true;
      this.#end();
    }, limitMs);
    const cpu = process.cpuUsage();
    const followed = callers.map((caller, index) => this.#follow(caller, index));
    if (endsWithGroup !== null) {
      await Promise.all(followed.filter((_, index) => callers[index]?.group === endsWithGroup));
      this.#end();
    }
    await Promise.all(followed);
    const wallMs = this.#now();
    clearTimeout(limit);
    const used = process.cpuUsage(cpu);
    this.#agent.destroy();
    return {
      wallMs,
      clientCpuMs: (used.user + used.system) / 1000,
      cut: this.#cut,
      calls: this.#calls,
      failures: this.#failures.slice(0, 5),
    };
  }

  /** One caller's turns, each with everything that was said before. */
  async #follow(caller: Caller, index: number): Promise<void> {
    await this.#pause(caller.startMs);
    await this.#untilInteractiveTokens(caller.startAfterTokens);
    let history: number[] = [];
    for (const [turn, { thinkMs, ids, startsAnew = false, ...wanted }] of caller.turns.entries()) {
      await this.#pause(thinkMs);
      if (this.#ending.signal.aborted) return;
      history = startsAnew ? [...ids] : [...history, ...ids];
      const sentMs = this.#now();
      const { url, headers, wire } = this.#job;
      const open = makeCall({
        url,
        headers,
        agent: this.#agent,
        wire: wires[wire],
        call: { ids: history, ...wanted },
        key: caller.key ?? null,
        onTokens: (count) => {
          if (caller.group === "interactive") this.#countInteractive(count);
        },
      });
      this.#open.add(open);
      const { replyIds, failure, retryAfterMs: _, ...seen } = await open.answer;
      this.#open.delete(open);
      this.#calls.push({ caller: index, group: caller.group, turn, sentMs, ...seen });
      history.push(...replyIds);
      if (failure === null) continue;
      // What broke off because it was cut has not failed.
      if (!this.#ending.signal.aborted) this.#failures.push(failure);
      return;
    }
  }

  /** Cut short by the end. */
  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#ending.signal }).catch(() => undefined);
  }

  async #untilInteractiveTokens(count: number): Promise<void> {
    while (this.#interactiveTokenCount < count)
      await new Promise<void>((resolve) => this.#tokenWatchers.push(resolve));
  }

  #countInteractive(count: number): void {
    this.#interactiveTokenCount += count;
    const watchers = this.#tokenWatchers;
    this.#tokenWatchers = [];
    for (const resolve of watchers) resolve();
  }

  #end(): void {
    this.#ending.abort();
    for (const { sent } of this.#open) sent.destroy();
    this.#countInteractive(Infinity);
  }

  #now(): number {
    return Math.round((performance.now() - this.#startedAt) * 100) / 100;
  }
}

/**
 * After the client has started: its start is a load of its own, and the server that was called before may still be busy.
 * A replica uses fewer threads beside either for a second.
 */
const settleMs = 1_500;

// Nobody is left to tell.
process.stdout.once("error", () => process.exit(1));
const job = JSON.parse(await text(process.stdin)) as LoadJob;
await sleep(settleMs);
process.stdout.write(`${JSON.stringify(await new LoadRun(job).run())}\n`);
