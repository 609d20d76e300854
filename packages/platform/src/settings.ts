// Every setting of the platform: how it is spelled as a flag, in the environment and in config.json, what it may be, and
// what it is where nobody says. Knows nothing of what a setting is used for.

import { delimiter } from "node:path";
import { deviceChoices, integrityChecks, logLevels } from "@corral/contract";
import { egressEntryProblem, splitEntries } from "@corral/weights";
import { z } from "zod";
import { parseSealingKeys } from "./secrets/keys.ts";

const defaultPort = 5526;

export interface Setting {
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

export const settings: readonly Setting[] = [
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
    "llama_libraries",
    "CORRAL_LLAMA_LIBRARIES",
    z.string().min(1),
    null,
    "the path of a directory with llama.cpp libraries",
  ),
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
export const secretSettings: ReadonlySet<string> = new Set(["api_key", "secret_key", "database_url"]);

export const flagOptions = {
  home: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  url: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "model-roots": { type: "string" },
  catalogue: { type: "string" },
  device: { type: "string" },
  "llama-libraries": { type: "string" },
  "prefix-bytes": { type: "string" },
  "memory-bytes": { type: "string" },
  "idle-seconds": { type: "string" },
  "log-level": { type: "string" },
  output: { type: "string" },
  quickstart: { type: "boolean" },
} as const;

function splitPaths(text: string): string[] {
  return text.split(delimiter).filter((path) => path !== "");
}
