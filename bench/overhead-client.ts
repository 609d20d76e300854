// A load client as a process of its own: calls one URL over a fixed number of keep-alive connections, a fixed
// number of times, and prints one JSON line with every latency. Knows nothing of what answers.

import { Agent, request } from "node:http";
import { parseArgs } from "node:util";

export interface LoadResult {
  readonly wallMs: number;
  /** CPU time of this client, to tell when it starves the server. */
  readonly clientCpuMs: number;
  readonly latenciesMs: readonly number[];
  readonly failures: readonly string[];
}

interface LoadOptions {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly warmupCount: number;
  readonly callCount: number;
  readonly connectionCount: number;
  /** Of every answer; default 200. */
  readonly status?: number;
}

async function run(options: LoadOptions): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connectionCount });
  const failures: string[] = [];
  const round = async (count: number, latenciesMs: number[]) => {
    let left = count;
    const caller = async () => {
      while (left > 0) {
        left -= 1;
        const started = performance.now();
        const problem = await call(agent, options);
        latenciesMs.push(performance.now() - started);
        if (problem !== null) failures.push(problem);
      }
    };
    await Promise.all(Array.from({ length: options.connectionCount }, caller));
  };
  await round(options.warmupCount, []);
  const latenciesMs: number[] = [];
  const cpu = process.cpuUsage();
  const started = performance.now();
  await round(options.callCount, latenciesMs);
  const wallMs = performance.now() - started;
  const used = process.cpuUsage(cpu);
  agent.destroy();
  return {
    wallMs,
    clientCpuMs: (used.user + used.system) / 1000,
    latenciesMs,
    failures: failures.slice(0, 5),
  };
}

/** Null when the answer was complete, and as expected. */
function call(agent: Agent, { url, headers, body, status = 200 }: LoadOptions): Promise<string | null> {
  return new Promise((resolve) => {
    const sent = request(url, {
      method: "POST",
      agent,
      headers: { ...headers, "content-length": Buffer.byteLength(body) },
    });
    sent.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () =>
        resolve(response.statusCode === status ? null : `${response.statusCode}: ${text.slice(0, 200)}`),
      );
      response.on("error", (error) => resolve(error.message));
    });
    sent.on("error", (error) => resolve(error.message));
    sent.end(body);
  });
}

const { values } = parseArgs({ options: { job: { type: "string" } } });
if (values.job !== undefined)
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(values.job) as LoadOptions))}\n`);
