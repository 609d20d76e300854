// The load client of serving workloads, a process of its own: does what the callers of one job on stdin do, and prints
// one JSON line with when every event came. The same for every server but for the wire.

import { Agent, request, type ClientRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { text } from "node:stream/consumers";
import type { Caller, CallRecord, LoadJob, LoadResult, Turn } from "./call.ts";
import { corralWire } from "./wires/corral.ts";
import { createEventReader } from "./event-reader.ts";
import { llamaServerWire } from "./wires/llama-server.ts";
import type { Wire, WireEnd } from "./wires/wire.ts";

const wires: Readonly<Record<LoadJob["wire"], Wire>> = {
  corral: corralWire,
  "llama-server": llamaServerWire,
};

async function run(job: LoadJob): Promise<LoadResult> {
  const wire = wires[job.wire];
  const agent = new Agent({ keepAlive: true });
  const calls: CallRecord[] = [];
  const failures: string[] = [];
  const open = new Set<ClientRequest>();
  const ending = new AbortController();
  let interactiveTokenCount = 0;
  let tokenWatchers: (() => void)[] = [];
  const started = performance.now();
  const now = () => performance.now() - started;

  async function follow(caller: Caller, index: number): Promise<void> {
    await sleep(caller.startMs, undefined, { signal: ending.signal });
    while (interactiveTokenCount < caller.startAfterTokens) {
      await new Promise<void>((resolve) => tokenWatchers.push(resolve));
    }
    const history: number[] = [];
    for (const [turnIndex, turn] of caller.turns.entries()) {
      if (turn.thinkMs > 0) await sleep(turn.thinkMs, undefined, { signal: ending.signal });
      if (ending.signal.aborted) return;
      history.push(...turn.ids);
      const sentMs = now();
      const answer = await call(caller, turn, history);
      const { eventMs, endMs, end, replyIds } = answer;
      calls.push({ caller: index, group: caller.group, turn: turnIndex, sentMs, eventMs, endMs, ...end });
      if (answer.failure !== null && failures.push(answer.failure) > 0) return;
      if (endMs === null) return;
      history.push(...replyIds);
    }
  }

  interface Answer {
    readonly eventMs: number[];
    readonly endMs: number | null;
    readonly end: WireEnd;
    readonly replyIds: number[];
    readonly failure: string | null;
  }

  function call(caller: Caller, turn: Turn, ids: readonly number[]): Promise<Answer> {
    const body = JSON.stringify(wire.body({ ...turn, ids }));
    return new Promise((resolve) => {
      const sentAt = performance.now();
      const eventMs: number[] = [];
      const replyIds: number[] = [];
      let end: WireEnd = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
      let failure: string | null = null;
      const finish = (endMs: number | null, problem: string | null) => {
        open.delete(sent);
        resolve({ eventMs, endMs, end, replyIds, failure: problem });
      };
      // What fails because it was cut has not failed.
      const fail = (problem: string) => finish(null, ending.signal.aborted ? null : problem);
      const reader = createEventReader((name, data) => {
        const event = wire.read(name, data);
        if (event.error !== null) failure = event.error;
        if (event.ids.length > 0) {
          eventMs.push(round(performance.now() - sentAt));
          replyIds.push(...event.ids);
          if (caller.group === "interactive") countInteractive(event.ids.length);
        }
        if (event.end !== null)
          end = { ...event.end, generatedTokens: end.generatedTokens + event.end.generatedTokens };
      });
      const sent = request(job.url, {
        method: "POST",
        agent,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          ...job.headers,
          ...wire.headers(),
        },
      });
      open.add(sent);
      sent.on("response", (response) => {
        response.setEncoding("utf8");
        if (response.statusCode !== 200) {
          void text(response).then(
            (answer) => fail(`${response.statusCode}: ${answer.slice(0, 300)}`),
            String,
          );
          return;
        }
        response.on("data", (chunk: string) => reader(chunk));
        response.on("end", () => {
          const endMs = round(performance.now() - sentAt);
          const wanted = turn.newTokenCount * turn.sampleCount;
          if (failure === null && end.generatedTokens !== wanted)
            failure = `${end.generatedTokens} tokens instead of ${wanted}`;
          if (failure === null && end.promptTokens !== ids.length)
            failure = `a prompt of ${ids.length} tokens counted as ${end.promptTokens}`;
          finish(endMs, failure);
        });
        response.on("error", (error) => fail(error.message));
      });
      sent.on("error", (error) => fail(error.message));
      sent.end(body);
    });
  }

  function countInteractive(count: number): void {
    interactiveTokenCount += count;
    const watchers = tokenWatchers;
    tokenWatchers = [];
    for (const resolve of watchers) resolve();
  }

  function endAll(): void {
    ending.abort();
    for (const sent of open) sent.destroy();
    countInteractive(Number.MAX_SAFE_INTEGER);
  }

  let cut = false;
  const limit = setTimeout(() => {
    cut = true;
    endAll();
  }, job.limitMs);
  const cpu = process.cpuUsage();
  const running = job.callers.map((caller, index) => ({
    group: caller.group,
    done: follow(caller, index).catch((error: unknown) => {
      if (!ending.signal.aborted) throw error;
    }),
  }));
  if (job.endsWithGroup !== null) {
    await Promise.all(running.filter(({ group }) => group === job.endsWithGroup).map(({ done }) => done));
    endAll();
  }
  await Promise.all(running.map(({ done }) => done));
  const wallMs = now();
  clearTimeout(limit);
  const used = process.cpuUsage(cpu);
  agent.destroy();
  const clientCpuMs = (used.user + used.system) / 1000;
  return { wallMs, clientCpuMs, cut, calls, failures: failures.slice(0, 5) };
}

/** To the hundredth of a millisecond: result files hold many of these. */
function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

const job = JSON.parse(await text(process.stdin)) as LoadJob;
process.stdout.write(`${JSON.stringify(await run(job))}\n`);
