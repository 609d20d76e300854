// A load client as a process of its own that costs as little as it can: it writes the same request over and over on a
// fixed number of connections, for a fixed time, and reads no more of an answer than its status, its length and a text
// that it must have. Knows nothing of what answers. One JSON line with every latency goes to stdout.

import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { AnswerReader } from "./answer-reader.ts";

export interface EchoJob {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A header that has another UUID in every call; null: none. */
  readonly uuidHeader: string | null;
  readonly body: string;
  /** What every answer must contain. */
  readonly expected: string;
  readonly connectionCount: number;
  /** Of calls that do not count, then of those that do. */
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface EchoResult {
  readonly wallMs: number;
  /** CPU time of this client. */
  readonly clientCpuMs: number;
  readonly latenciesMs: readonly number[];
  /** With those that do not count. */
  readonly callCount: number;
}

const placeholder = "00000000-0000-4000-8000-000000000000";

async function run(job: EchoJob): Promise<EchoResult> {
  const url = new URL(job.url);
  const request = requestText(url, job);
  const uuidAt = job.uuidHeader === null ? null : request.indexOf(placeholder);
  const connections = await Promise.all(
    Array.from({ length: job.connectionCount }, () => open(url, request, uuidAt, job.expected)),
  );
  const round = async (forMs: number) => {
    const endMs = performance.now() + forMs;
    return (await Promise.all(connections.map(({ callUntil }) => callUntil(endMs)))).flat();
  };
  const uncounted = await round(job.warmupMs);
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const latenciesMs = await round(job.measureMs);
  const wallMs = performance.now() - startedMs;
  const used = process.cpuUsage(cpu);
  for (const { socket } of connections) socket.destroy();
  return {
    wallMs,
    clientCpuMs: (used.user + used.system) / 1_000,
    latenciesMs,
    callCount: uncounted.length + latenciesMs.length,
  };
}

function requestText({ host, pathname }: URL, { headers, uuidHeader, body }: EchoJob): string {
  const all: Record<string, string> = {
    host,
    "content-type": "application/json",
    ...headers,
    ...(uuidHeader === null ? {} : { [uuidHeader]: placeholder }),
    "content-length": String(Buffer.byteLength(body)),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

interface Connection {
  readonly socket: Socket;
  /** Calls without a pause until then; gives the latencies. */
  readonly callUntil: (endMs: number) => Promise<number[]>;
}

async function open(url: URL, request: string, uuidAt: number | null, expected: string): Promise<Connection> {
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const bytes = Buffer.from(request);
  let count = randomBytes(4).readUInt32BE();
  let latenciesMs: number[] = [];
  let sentMs = 0;
  let untilMs = 0;
  let done: PromiseWithResolvers<number[]> | null = null;
  const send = () => {
    // The last digits of the UUID count on.
    if (uuidAt !== null) {
      count = (count + 1) >>> 0;
      bytes.write(count.toString(16).padStart(8, "0"), uuidAt);
    }
    sentMs = performance.now();
    socket.write(bytes);
  };
  const reader = new AnswerReader(({ status, text }) => {
    if (status !== 200 || !text.includes(expected))
      return done?.reject(new Error(`An answer is ${status}: ${text.slice(0, 300)}`));
    const nowMs = performance.now();
    latenciesMs.push(nowMs - sentMs);
    if (nowMs < untilMs) send();
    else done?.resolve(latenciesMs);
  });
  socket.on("data", (piece) => reader.push(piece));
  socket.on("close", () => done?.reject(new Error("The server closed the connection.")));
  return {
    socket,
    callUntil(endMs) {
      latenciesMs = [];
      untilMs = endMs;
      done = Promise.withResolvers<number[]>();
      send();
      return done.promise;
    },
  };
}

const { values } = parseArgs({ options: { job: { type: "string" } } });
if (values.job !== undefined)
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(values.job) as EchoJob))}\n`);
