// One platform process with its own PostgreSQL, or several over one: started, killed and started again.

import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, json, startCorral, waitUntil, type Corral } from "../harness.ts";
import { startOwnPostgres, type OwnPostgres } from "./own-postgres.ts";
import { killProcess, type Victim } from "./victims.ts";

export interface PlatformsOptions {
  /** An existing directory; every process' command names it. */
  readonly directory: string;
  /** Default 1. With more, `database` is needed. */
  readonly count?: number;
  readonly database?: SharedDatabase;
}

/** `programs`: directory with `initdb` and `postgres`, of a server that is made and may be killed. `url`: one that stays. */
export type SharedDatabase = { readonly programs: string } | { readonly url: string };

export interface Platforms {
  readonly all: readonly Corral[];
  /** Whose turn it is to be asked; it may be away just now. */
  next(): Corral;
  /** What may be killed of them. */
  readonly victims: readonly Exclude<Victim, "receiver">[];
  /** As the database names itself; null: not asked. */
  readonly databaseVersion: string | null;
  /** Kills one at once and has it back; false where there is none just now. `chance` gives numbers in `[0, 1)`. */
  kill(victim: Exclude<Victim, "receiver">, chance: () => number): Promise<boolean>;
  /** Every deployment answers again, at each of them. */
  ready(): Promise<void>;
  /** In order; gives the exit codes. */
  stop(): Promise<(number | null)[]>;
}

/** Where others could take over, a killed platform stays away for so long at most: what it had goes on, or waits for it. */
const longestAwayMs = 9_000;

export async function startPlatforms({
  directory,
  count = 1,
  database,
}: PlatformsOptions): Promise<Platforms> {
  if (count > 1 && database === undefined)
    throw new Error("Several platforms need a database that they share.");
  const postgres = await startDatabase(database, join(directory, "postgres"));
  const url = postgres?.url ?? (database !== undefined && "url" in database ? database.url : null);
  const env = { CORRAL_EGRESS_ALLOW: "127.0.0.1/32", ...(url === null ? {} : sharedEnvironment(url)) };
  const starts: (() => Promise<Corral>)[] = [];
  const all: Corral[] = [];
  for (let index = 0; index < count; index += 1) {
    const home = join(directory, `home-${index}`);
    await mkdir(home, { mode: 0o700 });
    const port = await freePort();
    const start = () => startCorral({ home, port, env });
    starts.push(start);
    all.push(await start());
  }
  let turn = 0;

  async function killPlatform(chance: () => number): Promise<void> {
    const index = Math.floor(chance() * count);
    const corral = all[index];
    const start = starts[index];
    if (corral === undefined || start === undefined) return;
    await killProcess([corral], "platform", chance());
    // Its launcher ends with it, and so does everything below.
    corral.process.kill("SIGKILL");
    if (count > 1) await sleep(chance() * longestAwayMs);
    all[index] = await start();
  }

  return {
    all,
    next() {
      turn = (turn + 1) % count;
      const corral = all[turn];
      if (corral === undefined) throw new Error(`There is no platform ${turn}.`);
      return corral;
    },
    victims: [
      "platform",
      "replica",
      "code worker",
      ...(url === null || postgres !== null ? (["PostgreSQL"] as const) : []),
    ],
    databaseVersion: postgres?.version ?? null,
    async kill(victim, chance) {
      if (victim === "PostgreSQL" && postgres !== null) await postgres.kill();
      else if (victim === "platform") await killPlatform(chance);
      else return killProcess(all, victim, chance());
      return true;
    },
    async ready() {
      for (const corral of all) {
        let last = "";
        const isReady = async () => {
          last = await inactiveOf(corral).catch(String);
          return last === "";
        };
        await waitUntil("all deployments are active", 120_000, isReady).catch((cause: unknown) => {
          const output = all.map((one) => one.output().slice(-20_000)).join("\n\n");
          throw new Error(`${last}\n${output}`, { cause });
        });
      }
    },
    async stop() {
      const codes: (number | null)[] = [];
      for (const corral of all) codes.push(await corral.stop());
      await postgres?.stop();
      return codes;
    },
  };
}

async function startDatabase(
  database: SharedDatabase | undefined,
  directory: string,
): Promise<OwnPostgres | null> {
  if (database === undefined || "url" in database) return null;
  return startOwnPostgres(database.programs, directory, await freePort());
}

/** What all of them must have alike. */
function sharedEnvironment(url: string): Record<string, string> {
  return {
    DATABASE_URL: url,
    CORRAL_API_KEY: `crash-loop-${randomBytes(16).toString("hex")}`,
    CORRAL_SECRET_KEY: randomBytes(32).toString("base64"),
  };
}

/** What is not as it should be; empty: nothing. */
async function inactiveOf(corral: Corral): Promise<string> {
  const response = await corral.request("/api/v1/deployments");
  if (response.status !== 200) return `Deployments are answered with ${response.status}.`;
  const { items } = await json<{ items: { status: string }[] }>(response);
  const isActive = items.length >= 3 && items.every(({ status }) => status === "active");
  return isActive ? "" : JSON.stringify(items);
}
