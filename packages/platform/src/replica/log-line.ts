// A line that a replica wrote, in the platform's own log: with its level and fields where it is one of ours.

import type { Logger } from "pino";
import { z } from "zod";
import { logLevels } from "@corral/contract";

const ownLine = z.looseObject({ level: z.enum(logLevels), message: z.string() });

export function logReplicaLine(log: Logger, line: string): void {
  const own = line.startsWith("{") ? ownLine.safeParse(parsed(line)) : null;
  if (own?.success !== true) {
    log.info(line);
    return;
  }
  const { level, message, time: _, ...fields } = own.data;
  log[level](fields, message);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
