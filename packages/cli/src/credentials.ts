// Where the platform is and with which key: flag > environment > the key file of a platform on this machine.

import { homedir } from "node:os";
import { join, relative } from "node:path";
import { ServingError } from "@corral/contract";
import { UsageError } from "./exit-codes.ts";

export interface CredentialSources {
  readonly flags: { readonly url?: string | undefined; readonly apiKey?: string | undefined };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the command was started. */
  readonly directory: string;
  /** The root of Corral's own checkout. */
  readonly checkout: string;
  /** A file's text, or null where there is none. */
  readonly readText: (path: string) => string | null;
}

export const defaultUrl = "http://127.0.0.1:5526";

/** Without a trailing slash. Fails with a `UsageError`. */
export function resolveUrl({ flags, environment }: CredentialSources): string {
  const given = flags.url ?? (environment["CORRAL_URL"] || defaultUrl);
  const source = flags.url === undefined ? "CORRAL_URL" : "--url";
  if (!URL.canParse(given) || !["http:", "https:"].includes(new URL(given).protocol)) {
    throw new UsageError(
      `${source} is ${JSON.stringify(given)}; it must be an address such as ${defaultUrl}.`,
    );
  }
  return given.replace(/\/+$/, "");
}

export interface ApiKey {
  readonly key: string;
  /** What stands for it in a line to paste into a shell: the key itself is not printed. */
  readonly inShell: string;
}

/**
 * The API key. A key file is read only for a platform on this machine: its key must never travel to another one.
 * Fails with `unauthenticated`, saying what to do.
 */
export function resolveApiKey(url: string, sources: CredentialSources): ApiKey {
  const given = sources.flags.apiKey ?? (sources.environment["CORRAL_API_KEY"] || undefined);
  if (given !== undefined) {
    if (!/^[\x21-\x7e]+$/.test(given))
      throw new UsageError("The API key has spaces or characters that no key has.");
    return { key: given, inShell: "$CORRAL_API_KEY" };
  }
  if (!isLoopback(url)) {
    throw new ServingError(
      "unauthenticated",
      `No API key for ${url}: set CORRAL_API_KEY or pass --api-key. (Key files are for platforms on this machine only.)`,
    );
  }
  const files = homes(sources).map((home) => join(home, "admin-key"));
  for (const file of files) {
    const key = sources.readText(file)?.trim();
    if (key !== undefined && key !== "") return { key, inShell: `$(cat '${file.replaceAll("'", `'\\''`)}')` };
  }
  throw new ServingError(
    "unauthenticated",
    `No API key: set CORRAL_API_KEY, pass --api-key, or start a platform with \`corral up\`, which writes one to ${files[0]}.`,
  );
}

/** Directories that may hold the state of a platform on this machine, the most likely first. */
export function homes({ environment, directory, checkout }: CredentialSources): readonly string[] {
  const named = environment["CORRAL_HOME"];
  if (named !== undefined && named !== "") return [named];
  const inside = !relative(checkout, directory).startsWith("..");
  return [...(inside ? [join(checkout, ".corral")] : []), join(environment["HOME"] || homedir(), ".corral")];
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
