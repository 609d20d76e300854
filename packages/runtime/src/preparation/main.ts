// The process that prepares weights: `main.ts --config FILE` fetches, converts, quantises and checks what the file asks
// for, and prints one message a line. SIGTERM ends it, and so does a reader that is gone; nothing unfinished is left.

import {
  isServingError,
  preparationConfigSchema,
  ServingError,
  type PreparationConfig,
} from "@corral/contract";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect, parseArgs } from "node:util";
import { failureOf } from "./failure.ts";
import { prepareWeights } from "./prepare.ts";
import { createWorkFiles } from "./work-files.ts";

/** llama.cpp's quantiser cannot be stopped: a process that is still in it after this time ends all the same. */
const graceMs = 1_000;

const abort = new AbortController();
let endingSignal: "SIGTERM" | "SIGINT" | "SIGPIPE" = "SIGTERM";
const send = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`);

const config = readConfig();
if (config !== null) await run(config);

function readConfig(): PreparationConfig | null {
  try {
    const path = parseArgs({ options: { config: { type: "string" } } }).values.config;
    if (path === undefined) throw new ServingError("internal", "Give --config FILE.");
    const parsed = preparationConfigSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (parsed.success) return parsed.data;
    const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
    throw new ServingError("internal", `${path} is not a preparation's configuration: ${issues}.`);
  } catch (error) {
    send(failureOf(error, null));
    process.exitCode = 1;
    return null;
  }
}

async function run(config: PreparationConfig): Promise<void> {
  const files = createWorkFiles(config.target);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop(signal));
  process.stdout.on("error", () => stop("SIGPIPE"));
  const stopped = Promise.withResolvers<"stopped">();
  abort.signal.addEventListener("abort", () => stopped.resolve("stopped"));
  const work = prepareWeights(config, {
    send,
    files,
    environment: process.env,
    signal: abort.signal,
    now: () => performance.now(),
  }).then(
    (ready) => send(ready),
    (error: unknown) => {
      if (abort.signal.aborted) return;
      process.exitCode = 1;
      if (!isServingError(error)) process.stderr.write(`${inspect(error)}\n`);
      send(failureOf(error, config.target));
    },
  );
  if ((await Promise.race([work, stopped.promise])) !== "stopped") return;
  const isSettled = await Promise.race([work.then(() => true), sleep(graceMs, false)]);
  files.remove();
  // An exit would wait for the native call.
  if (!isSettled) process.kill(process.pid, "SIGKILL");
  process.exit(128 + constants.signals[endingSignal]);
}

function stop(signal: typeof endingSignal): void {
  endingSignal = signal;
  abort.abort();
}
