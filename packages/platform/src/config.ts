// The platform's settings: flag > environment > CORRAL_HOME/config.json > default, parsed once into a frozen value.
// Knows the spelling of every setting and nothing of what it is used for.

import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  deviceChoices,
  integrityChecks,
  logLevels,
  type DeviceChoice,
  type IntegrityChecks,
  type LogLevel,
} from "@corral/contract";
import { egressEntryProblem, splitEntries } from "@corral/weights";
import { z } from "zod";
import { parseSealingKeys, type SealingKeys } from "./secrets/keys.ts";
import { defaultMemoryCap, mayHaveGpu } from "./residency/memory-cap.ts";
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

export const defaultPort = 5526;

interface Setting {
  readonly key: string;
  readonly flag: string | null;
  readonly variable: string;
  readonly inFile: boolean;
  readonly schema: z.ZodType;
  readonly fallback: unknown;
  readonly rule: string;
}

const setting = (
  key: string,
  variable: string,
  schema: z.ZodType,
  fallback: unknown,
  rule: string,
  { flag = key.replaceAll("_", "-"), inFile = true }: { flag?: string | null; inFile?: boolean } = {},
): Setting => ({ key, flag, variable, inFile, schema, fallback, rule });

const paths = z.union([z.array(z.string().min(1)), z.string().transform(splitPaths)]);

const settings: readonly Setting[] = [
  setting(
    "host",
    "CORRAL_HOST",
    z.string().regex(/^[A-Za-z0-9.:_-]+$/),
    "127.0.0.1",
    "an address to listen on, such as 127.0.0.1",
  ),
  setting(
    "port",
    "CORRAL_PORT",
    z.coerce.number().int().min(0).max(65_535),
    defaultPort,
    "a port from 0 to 65535",
  ),
  setting(
    "url",
    "CORRAL_URL",
    z.url({ protocol: /^https?$/ }),
    null,
    "an http:// or https:// address that others reach this server by",
  ),
  setting("tls_cert", "CORRAL_TLS_CERT", z.string().min(1), null, "the path of a certificate in PEM"),
  setting("tls_key", "CORRAL_TLS_KEY", z.string().min(1), null, "the path of the certificate's key in PEM"),
  setting(
    "api_key",
    "CORRAL_API_KEY",
    z.string().regex(/^[\x21-\x7e]{16,}$/),
    null,
    "at least 16 printable characters without spaces",
    {
      flag: null,
      inFile: false,
    },
  ),
  setting(
    "secret_key",
    "CORRAL_SECRET_KEY",
    z.string().transform((text, context) => {
      const keys = parseSealingKeys(text);
      if (keys === null) context.addIssue({ code: "custom", message: "not keys" });
      return keys;
    }),
    null,
    "32 bytes in base64 or hex, such as openssl rand -base64 32 prints; older keys follow after commas",
    { flag: null, inFile: false },
  ),
  setting(
    "database_url",
    "DATABASE_URL",
    z.url({ protocol: /^postgres(ql)?$/ }),
    null,
    "a postgres:// address",
    { flag: null },
  ),
  setting("model_roots", "CORRAL_MODEL_ROOTS", paths, [], `directories joined by '${delimiter}'`),
  setting("catalogue", "CORRAL_CATALOGUE", z.string().min(1), null, "the path of a catalogue.yaml"),
  setting("device", "CORRAL_DEVICE", z.enum(deviceChoices), "auto", `one of ${deviceChoices.join(", ")}`),
  setting(
    "prefix_bytes",
    "CORRAL_PREFIX_BYTES",
    z.coerce.number().int().min(0),
    2 * 1024 ** 3,
    "bytes that saved prefixes of one model may take on disk; 0 saves none",
  ),
  setting(
    "integrity_checks",
    "CORRAL_INTEGRITY_CHECKS",
    z.enum(integrityChecks),
    null,
    `one of ${integrityChecks.join(", ")}`,
    { flag: null },
  ),
  setting(
    "memory_bytes",
    "CORRAL_MEMORY_BYTES",
    z.coerce.number().int().positive(),
    null,
    "bytes of memory that all models together may take",
  ),
  setting(
    "idle_seconds",
    "CORRAL_IDLE_SECONDS",
    z.coerce.number().positive(),
    null,
    "seconds above 0 after which an unused model is unloaded",
  ),
  setting(
    "load_wait_seconds",
    "CORRAL_LOAD_WAIT_SECONDS",
    z.coerce.number().min(0),
    50,
    "seconds that a call may wait for its model to be loaded, from 0 on",
    { flag: null },
  ),
  setting(
    "starvation_seconds",
    "CORRAL_STARVATION_SECONDS",
    z.coerce.number().min(0),
    20,
    "seconds, from 0 on, after which a waiting model gets the memory of those in use",
    { flag: null },
  ),
  setting(
    "egress_allow",
    "CORRAL_EGRESS_ALLOW",
    z.string().refine((text) => splitEntries(text).every((entry) => egressEntryProblem(entry) === null)),
    "",
    "addresses, networks (10.1.0.0/16) and host names, joined by commas",
    // Replicas read the variable itself.
    { flag: null, inFile: false },
  ),
  setting(
    "run_retention_days",
    "CORRAL_RUN_RETENTION_DAYS",
    z.coerce.number().int().min(1).max(36_500),
    7,
    "a number of days from 1 to 36500",
    { flag: null },
  ),
  setting(
    "queue_length",
    "CORRAL_QUEUE_LENGTH",
    z.coerce.number().int().min(1).max(1_000_000),
    10_000,
    "a number of runs from 1 to 1000000",
    { flag: null },
  ),
  setting(
    "log_days",
    "CORRAL_LOG_DAYS",
    z.coerce.number().positive().max(36_500),
    7,
    "days, above 0, for which logs of replicas are kept",
    { flag: null },
  ),
  setting(
    "log_bytes",
    "CORRAL_LOG_BYTES",
    z.coerce.number().int().min(65_536),
    64 * 1024 ** 2,
    "bytes, from 65536 on, that the logs of one deployment may take",
    { flag: null },
  ),
  setting(
    "queue_concurrency",
    "CORRAL_QUEUE_CONCURRENCY",
    z.coerce.number().int().min(1).max(256),
    8,
    "a number of calls from 1 to 256",
    { flag: null },
  ),
  setting("log_level", "LOG_LEVEL", z.enum(logLevels), "info", `one of ${logLevels.join(", ")}`),
];

/** Never repeated in an error text. */
const secretSettings: ReadonlySet<string> = new Set(["api_key", "secret_key", "database_url"]);

const flagOptions = {
  home: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  url: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "model-roots": { type: "string" },
  catalogue: { type: "string" },
  device: { type: "string" },
  "prefix-bytes": { type: "string" },
  "memory-bytes": { type: "string" },
  "idle-seconds": { type: "string" },
  "log-level": { type: "string" },
  output: { type: "string" },
  quickstart: { type: "boolean" },
} as const;

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

function splitPaths(text: string): string[] {
  return text.split(delimiter).filter((path) => path !== "");
}

function textOf(value: string | boolean | undefined): string | null {
  return typeof value === "string" ? value : null;
}
