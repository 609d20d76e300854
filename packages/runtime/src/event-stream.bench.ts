// `npm run bench:streams`: processor time that a streamed token costs a replica, in microseconds, in three forms, with a
// reader in a process of its own. Each token is written in a turn of its own, as tokens come. Least and median of rounds.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createChunkStream, createEventStream, createTextStream, type AnswerStream } from "./event-stream.ts";

const tokenCount = 4_000;
const roundCount = 9;
/** What a 1B model in Q4 takes for a token on two cores. */
const decodeMs = 45;

const piece = {
  text: " token",
  event: { sequence: 0, text: " token", ids: [12_345] },
};
const chunk = {
  text: " token",
  event: {
    id: "chatcmpl-83047602-9c37-48c9-9d4a-de8ed91285cf",
    object: "chat.completion.chunk",
    created: 1_795_646_822,
    model: "a-model",
    choices: [{ index: 0, delta: { content: " token" }, logprobs: null, finish_reason: null }],
  },
};
interface Form {
  readonly create: ((response: ServerResponse) => AnswerStream) | null;
  readonly piece: typeof piece | typeof chunk;
}
const forms: Readonly<Record<string, Form>> = {
  "no stream": { create: null, piece },
  "server-sent events": { create: createEventStream, piece },
  "OpenAI chunks": { create: createChunkStream, piece: chunk },
  "bare text": { create: createTextStream, piece },
};

const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

async function cpuPerToken(name: string): Promise<number> {
  const form = forms[name];
  if (form === undefined) throw new RangeError(name);
  const script = `require("node:http").get("http://127.0.0.1:${port}", (answer) => answer.resume())`;
  const reader = spawn(process.execPath, ["-e", script], { stdio: "inherit" });
  const exited = once(reader, "exit");
  const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
  const stream = form.create?.(response) ?? null;
  const before = process.cpuUsage();
  for (let index = 0; index < tokenCount; index += 1) {
    await stream?.token(form.piece);
    await nextTurn();
  }
  const { user, system } = process.cpuUsage(before);
  if (stream === null) response.end();
  else stream.finish([]);
  await exited;
  return (user + system) / tokenCount;
}

const samples = new Map(Object.keys(forms).map((name) => [name, [] as number[]]));
for (let round = -1; round < roundCount; round += 1) {
  for (const [name, times] of samples) {
    const cost = await cpuPerToken(name);
    if (round >= 0) times.push(cost);
  }
}
for (const [name, times] of samples) {
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const share = (100 * median) / 1_000 / decodeMs;
  console.log(
    `${name.padEnd(20)} ${median.toFixed(1)} µs (least ${sorted[0]?.toFixed(1)}), ${share.toFixed(3)} % of a decode of ${decodeMs} ms`,
  );
}
server.closeAllConnections();
server.close();
