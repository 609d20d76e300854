// What is true of every process that runs a replica: its configuration, one pool thread, signals, and how it ends.
// The only file that ends a process.

import {
  createRedactor,
  errorBody,
  isServingError,
  replicaConfigSchema,
  replicaSecretsSchema,
  secretsOf,
  ServingError,
  type ReplicaConfig,
} from "@corral/contract";
import { readFileSync } from "node:fs";
import type { LoadModel } from "./loaded-model.ts";
import { createLog } from "./log.ts";
import { startReplica } from "./replica.ts";

/** Ends the process: with 0 after a drain, else with 1 and one line `{"error": {code, detail}}` on stderr. */
export async function runProcess(
  readConfigPath: () => string | undefined,
  loadModel: LoadModel,
): Promise<never> {
  process.on("uncaughtException", endWith);
  process.on("unhandledRejection", endWith);
  try {
    refusePoolSize(process.env["UV_THREADPOOL_SIZE"]);
    const config = readConfig(readConfigPath());
    const secrets = createRedactor(secretsOf(config));
    const log = createLog(config.log_level, (line) => process.stderr.write(line), secrets);
    const replica = await startReplica({ config, loadModel, log });
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => replica.drain());
    const reason = await replica.ended;
    return reason === null ? process.exit(0) : endWith(reason);
  } catch (error) {
    return endWith(error);
  }
}

/** Decode calls that wander over several pool threads cost 15 %; the size is read before any of our code runs. */
function refusePoolSize(size: string | undefined): void {
  if (size === "1") return;
  throw new ServingError(
    "internal",
    `UV_THREADPOOL_SIZE is ${size ?? "not set"}; start a replica with UV_THREADPOOL_SIZE=1.`,
  );
}

function readConfig(path: string | undefined): ReplicaConfig {
  if (path === undefined)
    throw new ServingError("internal", "Give --config FILE with the replica's configuration.");
  const parsed = replicaConfigSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (parsed.success) return withSecrets(parsed.data);
  const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
  throw new ServingError("internal", `${path} is not a replica's configuration: ${issues}.`);
}

/** Read at once: the platform writes them before anything else happens, and then closes its end. */
function withSecrets(config: ReplicaConfig): ReplicaConfig {
  const { code, secrets_on_stdin: areThere = false } = config;
  if (!areThere || code === undefined) return config;
  const { secrets, hub_secrets } = replicaSecretsSchema.parse(JSON.parse(readFileSync(0, "utf8")));
  const { python } = code;
  return {
    ...config,
    code: {
      ...code,
      secrets,
      ...(python === undefined || hub_secrets === undefined ? {} : { python: { ...python, hub_secrets } }),
    },
  };
}

function endWith(error: unknown): never {
  const cause = isServingError(error) ? error.cause : error;
  if (cause instanceof Error) process.stderr.write(`${cause.stack ?? cause.message}\n`);
  const known = isServingError(error)
    ? error
    : new ServingError("internal", error instanceof Error ? error.message : String(error));
  process.stderr.write(`${JSON.stringify({ error: errorBody(known) })}\n`);
  process.exit(1);
}
