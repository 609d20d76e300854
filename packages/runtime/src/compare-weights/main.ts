// The process that compares weights: `main.ts --config FILE` loads every file that the configuration names, and prints
// one message a line, the last one what was measured.

import { asServingError, comparisonConfigSchema, isServingError, ServingError } from "@corral/contract";
import { readFileSync } from "node:fs";
import { inspect, parseArgs } from "node:util";
import { compareWeights } from "./compare.ts";

const intervalMs = 200;

const abort = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => {
    abort.abort();
    // A step of a large model may take long, and nothing has to be tidied up.
    process.kill(process.pid, "SIGKILL");
  });
const send = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`);

try {
  const path = parseArgs({ options: { config: { type: "string" } } }).values.config;
  if (path === undefined) throw new ServingError("internal", "Give --config FILE.");
  const config = comparisonConfigSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  let toldAt = -Infinity;
  send(
    await compareWeights(config, {
      signal: abort.signal,
      now: () => performance.now(),
      onTokens(doneTokens, totalTokens) {
        if (performance.now() - toldAt < intervalMs) return;
        toldAt = performance.now();
        send({ kind: "progress", done_tokens: doneTokens, total_tokens: totalTokens });
      },
    }),
  );
} catch (error) {
  if (!isServingError(error)) process.stderr.write(`${inspect(error)}\n`);
  const { code, message } = asServingError(error);
  send({ kind: "failed", code, detail: message });
  process.exitCode = 1;
}
