// Starts the process that prepares weights as the platform does, and collects what it says.

import { preparationMessageSchema, type PreparationConfig, type PreparationMessage } from "@corral/contract";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { compileCache } from "./compile-cache.ts";

export const preparationEntry = fileURLToPath(new URL("../preparation/main.ts", import.meta.url));

export interface PreparationEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly messages: readonly PreparationMessage[];
  readonly last: PreparationMessage | undefined;
}

export interface PreparationProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<PreparationEnd>;
  /** The first message of a kind, now or later; rejects where the process ends without it. */
  until(kind: PreparationMessage["kind"]): Promise<PreparationMessage>;
}

/** @param directory where its config is written */
export function startPreparation(
  directory: string,
  config: PreparationConfig,
  options: { readonly env?: Readonly<Record<string, string>>; readonly through?: readonly string[] } = {},
): PreparationProcess {
  const configPath = join(directory, "preparation.json");
  writeFileSync(configPath, JSON.stringify(config));
  const node = [process.execPath, preparationEntry, "--config", configPath];
  const [program = "", ...args] = [...(options.through ?? []), ...node];
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", ...compileCache(), ...options.env },
  });
  const messages: PreparationMessage[] = [];
  const watchers = new Set<() => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    messages.push(preparationMessageSchema.parse(JSON.parse(line)));
    for (const watch of watchers) watch();
  });
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    messages,
    last: messages.at(-1),
  }));
  return {
    child,
    ended,
    until(kind) {
      return new Promise((resolve, reject) => {
        const watch = () => {
          const found = messages.find((message) => message.kind === kind);
          if (found === undefined) return;
          watchers.delete(watch);
          resolve(found);
        };
        watchers.add(watch);
        void ended.then((end) => reject(new Error(`ended without ${kind}: ${JSON.stringify(end)}`)));
        watch();
      });
    },
  };
}
