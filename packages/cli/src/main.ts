// The process `corral`: gives `runCli` the real surroundings and ends with its code.

import { text } from "node:stream/consumers";
import { runCli } from "./cli.ts";

// The starter's mark against running in circles is not for what we start ourselves.
delete process.env["CORRAL_STARTED_BY"];

const interrupted = new AbortController();
const onSignal = () => interrupted.abort();
process.once("SIGINT", onSignal).once("SIGTERM", onSignal);

// `corral ls | head` closes the pipe early; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

void runCli({
  args: process.argv.slice(2),
  environment: process.env,
  directory: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
  stdinIsTerminal: process.stdin.isTTY,
  readStdin: () => text(process.stdin),
}).then((code) => {
  process.exitCode = code;
  process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
});
