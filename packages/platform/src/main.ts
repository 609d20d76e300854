// The platform as a process: settings in, progress on stdout, logs on stderr, signals to an orderly end.

import { readFileSync } from "node:fs";
import { asServingError, redact } from "@corral/contract";
import { destination, pino, stdTimeFunctions } from "pino";
import { readConfig } from "./config.ts";
import { startPlatform } from "./platform.ts";
import { createProgress } from "./progress.ts";

/** After the second signal so long is left for an end in order. */
const hurryMs = 5_000;

const wantsJson = process.argv.some(
  (word, at, all) => word === "--output=json" || (word === "json" && all[at - 1] === "--output"),
);
const read = readConfig(process.argv.slice(2), process.env, readText);
const progress = createProgress(wantsJson ? "json" : "text", (line) => void process.stdout.write(line));

if (read.kind === "invalid") {
  for (const message of read.problems) progress({ event: "error", code: "invalid_parameter", message });
  process.exitCode = 2;
} else {
  const { config } = read;
  const log = pino(
    {
      level: config.logLevel,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: "message",
      formatters: { level: (level) => ({ level }) },
      redact: ["*.authorization", "authorization"],
      hooks: { streamWrite: redact },
    },
    destination({ dest: 2, sync: true }),
  );
  // Who started us may be gone: its closed pipe is no reason to end.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});

  let signalCount = 0;
  // A signal that comes while it starts is answered as soon as there is something to close; a second one at once.
  let onSignal = (): void => {
    if (signalCount > 1) process.exit(1);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      signalCount += 1;
      onSignal();
    });
  }
  try {
    const platform = await startPlatform(config, log, progress);
    let closing: Promise<void> | null = null;
    const close = (exitCode: number) => {
      closing ??= platform.close().then(
        () => process.exit(exitCode),
        (error: unknown) => {
          progress({
            event: "error",
            code: asServingError(error).code,
            message: asServingError(error).message,
          });
          process.exit(1);
        },
      );
    };
    onSignal = () => {
      close(0);
      if (signalCount < 2) return;
      platform.hurry();
      setTimeout(() => process.exit(1), hurryMs).unref();
    };
    if (signalCount > 0) onSignal();
    void platform.failed.then((error) => {
      progress({ event: "error", code: asServingError(error).code, message: error.message });
      close(1);
    });
  } catch (cause) {
    const error = asServingError(cause);
    if (error.code === "internal") log.error({ err: cause }, "the platform cannot start");
    const detail = error.code === "internal" && cause instanceof Error ? cause.message : error.message;
    progress({ event: "error", code: error.code, message: detail });
    process.exit(1);
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
