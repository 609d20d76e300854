// The least that can stand between a caller and a process with a model: `node:http` that pipes to `node:http`
// on a unix socket, in two processes, without keys, checks or records. Its upstream answers a fixed text.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listenAndPipe } from "./pipe.ts";

/** An answer of the size and shape of the documented one. */
const answer = JSON.stringify({
  model_id: "abcd1234",
  model_version_id: "abcd1234",
  model_output: {
    output: " x",
    usage: { prompt_tokens: 64, cached_tokens: 0, generated_tokens: 1 },
    finish_reason: "length",
    run_id: "00000000-0000-4000-8000-000000000000",
  },
});

/** Reads the whole body, parses it as a replica must, and answers. */
function serve(socketPath: string): void {
  const server = createServer((incoming, response) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      JSON.parse(body);
      response.writeHead(200, { "content-type": "application/json" }).end(answer);
    });
  });
  // The client keeps its connections between rounds; closing one as it calls again would look like a failure.
  server.keepAliveTimeout = 0;
  server.listen(socketPath, () => process.stdout.write("listening\n"));
  process.stdin.once("close", () => process.exit(0)).resume();
}

async function pipe(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "corral-bench-"));
  const socketPath = join(directory, "bare.sock");
  const upstream = spawn(process.execPath, [fileURLToPath(import.meta.url), socketPath], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await new Promise((resolve) => upstream.stdout.once("data", resolve));
  await listenAndPipe(socketPath);
  const end = () => {
    upstream.kill();
    void rm(directory, { recursive: true, force: true }).then(() => process.exit(0));
  };
  process.once("SIGTERM", end);
  // Whoever started it is gone.
  process.stdin.once("close", end).resume();
}

const [socketPath] = process.argv.slice(2);
if (socketPath === undefined) await pipe();
else serve(socketPath);
