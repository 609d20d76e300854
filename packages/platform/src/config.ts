// The platform's settings: flag > environment > CORRAL_HOME/config.json > default, read once into a frozen value.

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { DeviceChoice, IntegrityChecks, LogLevel } from "@corral/contract";
import { z } from "zod";
import type { SealingKeys } from "./secrets/keys.ts";
import { defaultMemoryCap, mayHaveGpu } from "./residency/memory-cap.ts";
import { flagOptions, secretSettings, settings } from "./settings.ts";
import type { TlsPaths } from "./tls.ts";

export interface PlatformConfig {
  /** Absolute path of the directory that holds all state. */
  readonly home: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The address others see, without a trailing slash; null: from scheme, host and port. */
  readonly url: string | null;
  /** Absolute paths of the certificate and its key; null: plain HTTP. */
  readonly tls: TlsPaths | null;
  /** An admin key that is valid while the process lives and is never stored. */
  readonly apiKey: string | null;
  /** What secrets are sealed with, the newest first; null: the file in CORRAL_HOME. */
  readonly secretKeys: SealingKeys | null;
  /** An external PostgreSQL; null: the embedded one. */
  readonly databaseUrl: string | null;
  /** Absolute directories that weights may be taken from. */
  readonly modelRoots: readonly string[];
  /** The operator's own rows of the catalogue; null: `CORRAL_HOME/catalogue.yaml` where that is there. */
  readonly catalogue: string | null;
  /** What replicas compute with. */
  readonly device: DeviceChoice;
  /** Absolute directory of the llama.cpp libraries that replicas load; null: those of the npm packages. */
  readonly llamaLibraries: string | null;
  /** Bytes that saved prefixes of one model may take on disk; 0: none are saved. */
  readonly prefixBytes: number;
  readonly integrityChecks: IntegrityChecks;
  /** Bytes of memory that all models together may take. */
  readonly memoryBytes: number;
  /** Whether a model that needs more may still be loaded: GPUs may hold it, and nobody said how much there is. */
  readonly mayExceedMemory: boolean;
  /** A model that nobody called for so long gives its memory back; null: only where another needs it. */
  readonly idleSeconds: number | null;
  /** So long a call may wait for its model to be loaded before it is answered 503; streams of events wait on. */
  readonly loadWaitSeconds: number;
  /** Who waited for so long gets the memory of models that are in use, once those have answered. */
  readonly starvationSeconds: number;
  /** Addresses, networks and host names, beside the public ones, that a URL from outside may lead to. */
  readonly egressAllow: string;
  /** Most runs of a project that are in the queue, waiting or being carried out. */
  readonly queueLength: number;
  /** Where so many calls are in flight at an engine, no queued run is added. */
  readonly queueConcurrency: number;
  /** So many days after its end a run is removed; its counts stay. */
  readonly runRetentionDays: number;
  readonly logLevel: LogLevel;
  /** Logs of replicas are kept so long. */
  readonly logDays: number;
  /** Most bytes of one deployment's logs. */
  readonly logBytes: number;
  /** Whether the two tiny models are deployed and `/readyz` waits for them. */
  readonly quickstart: boolean;
  /** `json`: one JSON value a line on stdout tells what happens. */
  readonly output: "text" | "json";
}

export type ConfigResult =
  | { readonly kind: "valid"; readonly config: PlatformConfig }
  /** One sentence for every bad setting, each with its remedy. */
  | { readonly kind: "invalid"; readonly problems: readonly string[] };

/**
 * Reads all settings. `readText` gives a file's text or null where there is none; it is called once, for
 * `CORRAL_HOME/config.json`.
 */
export function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  readText: (path: string) => string | null,
): ConfigResult {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const home = resolve(textOf(flags["home"]) ?? (environment["CORRAL_HOME"] || join(homedir(), ".corral")));
  const file = readFile(join(home, "config.json"), readText, problems);

  const values: Record<string, unknown> = {};
  for (const { key, flag, variable, inFile, schema, fallback, rule } of settings) {
    const candidates: [source: string, value: unknown][] = [
      [`--${flag ?? ""}`, flag === null ? undefined : flags[flag]],
      [variable, environment[variable] || undefined],
      [`"${key}" in ${join(home, "config.json")}`, inFile ? file[key] : undefined],
    ];
    const [source, value] = candidates.find(([, given]) => given !== undefined) ?? ["", undefined];
    if (value === undefined) {
      values[key] = fallback;
      continue;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) values[key] = parsed.data;
    else
      problems.push(
        `${source}${secretSettings.has(key) ? "" : ` is ${JSON.stringify(value)}; it`} must be ${rule}.`,
      );
  }
  const tls = tlsOf(values, problems);
  const output = textOf(flags["output"]) ?? "text";
  if (output !== "text" && output !== "json")
    problems.push(`--output is ${JSON.stringify(output)}; it must be text or json.`);
  if (problems.length > 0) return { kind: "invalid", problems };

  const config: PlatformConfig = Object.freeze({
    home,
    host: values["host"] as string,
    port: values["port"] as number,
    url: (values["url"] as string | null)?.replace(/\/+$/, "") ?? null,
    tls,
    apiKey: values["api_key"] as string | null,
    secretKeys: values["secret_key"] as SealingKeys | null,
    databaseUrl: values["database_url"] as string | null,
    modelRoots: Object.freeze([
      join(home, "models"),
      ...(values["model_roots"] as string[]).map((root) => resolve(root)),
    ]),
    catalogue: values["catalogue"] === null ? null : resolve(values["catalogue"] as string),
    device: values["device"] as DeviceChoice,
    llamaLibraries: values["llama_libraries"] === null ? null : resolve(values["llama_libraries"] as string),
    prefixBytes: values["prefix_bytes"] as number,
    // `npm start` from a checkout is where a mistake of ours should show.
    integrityChecks:
      (values["integrity_checks"] as IntegrityChecks | null) ??
      (flags["quickstart"] === true ? "idle" : "never"),
    memoryBytes: (values["memory_bytes"] as number | null) ?? defaultMemoryCap(),
    mayExceedMemory: values["memory_bytes"] === null && mayHaveGpu(values["device"] as DeviceChoice),
    idleSeconds: values["idle_seconds"] as number | null,
    loadWaitSeconds: values["load_wait_seconds"] as number,
    starvationSeconds: values["starvation_seconds"] as number,
    egressAllow: values["egress_allow"] as string,
    queueLength: values["queue_length"] as number,
    queueConcurrency: values["queue_concurrency"] as number,
    runRetentionDays: values["run_retention_days"] as number,
    logLevel: values["log_level"] as LogLevel,
    logDays: values["log_days"] as number,
    logBytes: values["log_bytes"] as number,
    quickstart: flags["quickstart"] === true,
    output: output as "text" | "json",
  });
  return { kind: "valid", config };
}

/** Both or neither: half of it would be a server without TLS whose operator thinks otherwise. */
function tlsOf(values: Readonly<Record<string, unknown>>, problems: string[]): TlsPaths | null {
  const [cert, key] = [values["tls_cert"] as string | null, values["tls_key"] as string | null];
  if (cert !== null && key !== null) return { cert: resolve(cert), key: resolve(key) };
  if (cert !== null) problems.push("CORRAL_TLS_CERT is given without CORRAL_TLS_KEY; give both, or neither.");
  if (key !== null) problems.push("CORRAL_TLS_KEY is given without CORRAL_TLS_CERT; give both, or neither.");
  return null;
}

function readFlags(
  args: readonly string[],
  problems: string[],
): Record<string, string | boolean | undefined> {
  const known = Object.keys(flagOptions)
    .map((name) => `--${name}`)
    .join(", ");
  const { values, tokens } = parseArgs({
    args: [...args],
    options: flagOptions,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === "positional")
      problems.push(`${JSON.stringify(token.value)} is not expected; the flags are ${known}.`);
    if (token.kind !== "option") continue;
    const option = flagOptions[token.name as keyof typeof flagOptions];
    if (option === undefined) problems.push(`${token.rawName} is not known; the flags are ${known}.`);
    else if (option.type === "string" && token.value === undefined)
      problems.push(`${token.rawName} needs a value.`);
  }
  return values;
}

function readFile(
  path: string,
  readText: (path: string) => string | null,
  problems: string[],
): Readonly<Record<string, unknown>> {
  const text = readText(path);
  if (text === null) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    problems.push(`${path} is not valid JSON (${cause instanceof Error ? cause.message : String(cause)}).`);
    return {};
  }
  const object = z.record(z.string(), z.unknown()).safeParse(value);
  if (!object.success) {
    problems.push(`${path} must hold a JSON object.`);
    return {};
  }
  const known = settings.filter(({ inFile }) => inFile).map(({ key }) => key);
  for (const key of Object.keys(object.data)) {
    if (!known.includes(key))
      problems.push(`"${key}" in ${path} is not known; the keys are ${known.join(", ")}.`);
  }
  return object.data;
}

function textOf(value: string | boolean | undefined): string | null {
  return typeof value === "string" ? value : null;
}
