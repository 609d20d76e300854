// `corral up`: a platform on this machine, in the foreground, as a child process. The CLI never imports it.

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { createClient } from "@corral/client";
import { isServingError } from "@corral/contract";
import { textOption, type CommandDefinition, type Context, type Options } from "../command.ts";
import { documentedChatCall, documentedPromptCall } from "../example-call.ts";
import { findDeployments } from "../find.ts";
import { startPlatform, type PlatformEvent, type PlatformProcess } from "../platform-process.ts";

const forwarded: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

export const up: CommandDefinition = {
  name: "up",
  summary: "Run a platform on this machine until Ctrl-C.",
  details:
    "It brings its own PostgreSQL unless DATABASE_URL names one, and listens on 127.0.0.1 unless --host says otherwise.\nThe first start writes an admin key to CORRAL_HOME/admin-key; every other command finds it there.",
  options: [
    { flags: "--home <directory>", summary: "where its state is (CORRAL_HOME; default ~/.corral)" },
    { flags: "--host <host>", summary: "address to listen on (CORRAL_HOST; default 127.0.0.1)" },
    { flags: "--port <port>", summary: "port to listen on (CORRAL_PORT; default 5526)" },
    { flags: "--tls-cert <file>", summary: "certificate in PEM, to serve https (CORRAL_TLS_CERT)" },
    { flags: "--tls-key <file>", summary: "the certificate's key in PEM (CORRAL_TLS_KEY)" },
    { flags: "--device <device>", summary: "auto, cpu, cuda or vulkan (CORRAL_DEVICE; default auto)" },
    {
      flags: "--llama-libraries <directory>",
      summary: "llama.cpp compiled for this machine (CORRAL_LLAMA_LIBRARIES; default: npm's)",
    },
    {
      flags: "--prefix-bytes <count>",
      summary:
        "disk space for saved prefixes of each model; 0 saves none (CORRAL_PREFIX_BYTES; default 2 GiB)",
    },
    {
      flags: "--memory-bytes <count>",
      summary:
        "memory that all models together may take (CORRAL_MEMORY_BYTES; default: most of the machine's)",
    },
    {
      flags: "--idle-seconds <seconds>",
      summary: "unload models that nobody called for so long (CORRAL_IDLE_SECONDS; default: only for others)",
    },
    { flags: "--quickstart", summary: "deploy the two tiny models and print both documented calls" },
    { flags: "--log", summary: "show its log on stderr (shown anyway where stderr is no terminal)" },
  ],
  examples: [
    ["corral up --quickstart", "everything needed for a first call"],
    [
      "corral up --home /srv/corral --host 0.0.0.0 --url https://models.example:5526 --tls-cert cert.pem --tls-key key.pem",
      "for others on the network",
    ],
  ],
  async run(context, _args, options) {
    const environment = environmentOf(context, options);
    const platform = startPlatform({
      args: argumentsOf(context, options),
      environment,
      showLog: options["log"] === true || context.format === "json" || !process.stderr.isTTY,
      main: context.platformMain,
    });
    const forward = (signal: NodeJS.Signals) => platform.signal(signal);
    for (const signal of forwarded) process.on(signal, forward);
    try {
      await (context.format === "json"
        ? passOn(context, platform)
        : narrate(context, platform, environment, options));
      const code = await platform.exited;
      if (code !== 0 && !context.signal.aborted && platform.lastLog() !== "")
        context.note(platform.lastLog());
      return code;
    } finally {
      for (const signal of forwarded) process.off(signal, forward);
    }
  },
};

function argumentsOf(context: Context, options: Options): string[] {
  const args = ["--output", "json"];
  for (const name of ["home", "host", "port", "url", "device"]) {
    const value = textOption(options, name);
    if (value !== undefined)
      args.push(`--${name}`, name === "home" ? resolve(context.directory, value) : value);
  }
  for (const [name, flag] of [
    ["tlsCert", "--tls-cert"],
    ["tlsKey", "--tls-key"],
    ["llamaLibraries", "--llama-libraries"],
  ] as const) {
    const value = textOption(options, name);
    if (value !== undefined) args.push(flag, resolve(context.directory, value));
  }
  const numbers = [
    ["prefixBytes", "--prefix-bytes"],
    ["memoryBytes", "--memory-bytes"],
    ["idleSeconds", "--idle-seconds"],
  ] as const;
  for (const [name, flag] of numbers) {
    const value = textOption(options, name);
    if (value !== undefined) args.push(flag, value);
  }
  if (options["quickstart"] === true) args.push("--quickstart");
  return args;
}

function environmentOf(context: Context, options: Options): Record<string, string | undefined> {
  const apiKey = textOption(options, "apiKey");
  return { ...context.environment, ...(apiKey === undefined ? {} : { CORRAL_API_KEY: apiKey }) };
}

async function passOn(context: Context, platform: PlatformProcess): Promise<void> {
  for await (const event of platform.events) context.write(`${JSON.stringify(event)}\n`);
}

async function narrate(
  context: Context,
  platform: PlatformProcess,
  environment: Readonly<Record<string, string | undefined>>,
  options: Options,
): Promise<void> {
  const home = resolve(
    context.directory,
    textOption(options, "home") ?? (environment["CORRAL_HOME"] || join(homedir(), ".corral")),
  );
  const port = textOption(options, "port") ?? (environment["CORRAL_PORT"] || "5526");
  let url = `http://127.0.0.1:${port}`;
  let last = "Starting Corral …";
  context.note(last);
  for await (const event of platform.events) {
    if (event.event === "listening") url = (textMember(event, "url") ?? url).replace(/\/+$/, "");
    const line = sentenceOf(event, url);
    // A failed deployment retries; its state is told once.
    if (line !== null && line !== last) context.note((last = line));
    if (event.event === "ready")
      await showReady(context, url, home, environment, options["quickstart"] === true);
  }
}

function sentenceOf(event: PlatformEvent, url: string): string | null {
  const detail = textMember(event, "detail");
  switch (event.event) {
    case "postgres_ready":
      return "  PostgreSQL is ready";
    case "listening":
      return `  listening on ${url}`;
    case "admin_key": {
      const path = textMember(event, "path");
      return path === null ? null : `  the admin key is in ${path}`;
    }
    case "deployment": {
      const name = textMember(event, "name") ?? "a deployment";
      return `  ${name} is ${textMember(event, "status") ?? "starting"}${detail === null ? "" : `: ${detail}`}`;
    }
    case "notice":
      return `  ${textMember(event, "message") ?? ""}`;
    case "stopping":
      return "Stopping …";
    case "error":
      return `corral: ${textMember(event, "message") ?? "the platform cannot start"}`;
    default:
      return null;
  }
}

async function showReady(
  context: Context,
  url: string,
  home: string,
  environment: Readonly<Record<string, string | undefined>>,
  quickstart: boolean,
): Promise<void> {
  const { apiKey, where } = await adminKey(url, join(home, "admin-key"), environment["CORRAL_API_KEY"]);
  context.note("");
  context.note(`Corral is ready at ${url}`);
  context.note(where);
  if (quickstart && apiKey !== null) await showQuickstart(context, url, apiKey);
  context.note("\nCtrl-C stops it.");
}

/** The admin key as far as it is here, and where it is: a database may be older than CORRAL_HOME. */
async function adminKey(
  url: string,
  keyFile: string,
  ownKey: string | undefined,
): Promise<{ readonly apiKey: string | null; readonly where: string }> {
  if (ownKey) return { apiKey: ownKey, where: "The admin key is CORRAL_API_KEY." };
  const apiKey = (await readFile(keyFile, "utf8").catch(() => "")).trim();
  const elsewhere =
    "the database has an admin key that was made elsewhere; put it there, or set CORRAL_API_KEY.";
  if (apiKey === "") return { apiKey: null, where: `No admin key is in ${keyFile}: ${elsewhere}` };
  const isKnown = await createClient({ url, apiKey })
    .models.list({ limit: 1 })
    .then(
      () => true,
      (error: unknown) => !isServingError(error) || error.code !== "unauthenticated",
    );
  if (isKnown) return { apiKey, where: `The admin key is in ${keyFile}` };
  return { apiKey: null, where: `The key in ${keyFile} is not known here: ${elsewhere}` };
}

async function showQuickstart(context: Context, url: string, apiKey: string): Promise<void> {
  const client = createClient({ url, apiKey });
  try {
    const [chat] = await findDeployments(client, "llama-3-8b-instruct").catch(() =>
      findDeployments(client, "corral-tiny-3"),
    );
    const calls = [
      { title: "The documented Llama 3 call:", curl: documentedChatCall(url, chat.id, apiKey) },
      { title: "The documented Llama 2 call:", curl: documentedPromptCall(url, apiKey) },
    ];
    context.note(
      "\nTwo tiny models answer the calls of Llama 3 and Llama 2: corral-tiny-3 and corral-tiny-2. They are stand-ins\n" +
        "of about a million weights each, trained from scratch for Corral, and not Meta's models: they show that the\n" +
        "calls work, not what Llama would say. `corral deploy llama-3-8b-instruct` puts real weights there.",
    );
    for (const { title, curl } of calls) {
      context.note(`\n${title}\n`);
      context.write(`${curl}\n`);
    }
  } catch (error) {
    context.note(`The calls cannot be shown: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function textMember(event: PlatformEvent, name: string): string | null {
  const value = event[name];
  return typeof value === "string" && value !== "" ? value : null;
}
