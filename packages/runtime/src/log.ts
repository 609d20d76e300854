// The replica's log: one JSON value a line on stderr, which the driver collects. Never a prompt, an answer or a key.

import { createRedactor, type Redactor, type ReplicaConfig } from "@corral/contract";

const levels = ["debug", "info", "warn", "error"] as const;
type Level = (typeof levels)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;
export type Log = Readonly<Record<Level, (message: string, fields?: LogFields) => void>>;

/** `write` gets whole lines, without secrets. */
export function createLog(
  least: ReplicaConfig["log_level"],
  write: (line: string) => void,
  { clean }: Redactor = createRedactor(),
): Log {
  const cleaned = (fields: LogFields) =>
    Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? clean(value) : value]),
    );
  const method =
    (level: Level) =>
    (message: string, fields: LogFields = {}) => {
      if (levels.indexOf(level) < levels.indexOf(least)) return;
      const line = { time: new Date().toISOString(), level, message: clean(message), ...cleaned(fields) };
      write(`${JSON.stringify(line)}\n`);
    };
  return { debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") };
}
