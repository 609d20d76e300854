// Where the hub is, who asks, and where its cache lies, from the same variables as Python's huggingface_hub.

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { ServingError } from "@corral/contract";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface HubToken {
  readonly value: string;
  /** For messages: the variable or the file that it came from. */
  readonly from: string;
}

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token: HubToken | null;
  /** Absolute; holds `models--owner--name`. */
  readonly cacheDirectory: string;
  readonly offline: boolean;
}

/**
 * Reads `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE` and their older spellings; the token may
 * also stand in the file that `hf auth login` writes. Empty variables count as absent. Fails with `invalid_parameter`.
 * Source of names and order: huggingface_hub 2.4.0, constants.py and utils/_auth.py.
 */
export async function readHubSettings(environment: Environment): Promise<HubSettings> {
  const value = (...names: readonly string[]): string | undefined => {
    for (const name of names)
      if (environment[name] !== undefined && environment[name] !== "") return environment[name];
    return undefined;
  };
  const path = (text: string) => resolve(expandPath(text, environment));
  const home = path(value("HF_HOME") ?? join(value("XDG_CACHE_HOME") ?? join("~", ".cache"), "huggingface"));
  const isSet = (...names: readonly string[]) =>
    ["1", "on", "yes", "true"].includes((value(...names) ?? "").toLowerCase());
  const implicitToken = !isSet("HF_HUB_DISABLE_IMPLICIT_TOKEN");
  return {
    endpoint: checkEndpoint(value("HF_ENDPOINT") ?? "https://huggingface.co"),
    token: implicitToken ? await readToken(value, path(value("HF_TOKEN_PATH") ?? join(home, "token"))) : null,
    cacheDirectory: path(value("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? join(home, "hub")),
    offline: isSet("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
  };
}

async function readToken(
  value: (...names: readonly string[]) => string | undefined,
  file: string,
): Promise<HubToken | null> {
  for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const token = cleanToken(value(name) ?? "");
    if (token !== null) return { value: token, from: name };
  }
  const token = cleanToken(await readFile(file, "utf8").catch(() => ""));
  return token === null ? null : { value: token, from: file };
}

function cleanToken(text: string): string | null {
  const token = text.replaceAll(/[\r\n]/g, "").trim();
  return token === "" ? null : token;
}

function checkEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:") || url.username !== "") {
    throw new ServingError(
      "invalid_parameter",
      `HF_ENDPOINT must be an http or https URL without a user name, but is ${JSON.stringify(text)}.`,
    );
  }
  return text.replace(/\/+$/, "");
}

/** A leading `~` and `$NAME` or `${NAME}`, as Python's expanduser and expandvars do; unknown names stay. */
function expandPath(text: string, environment: Environment): string {
  const expanded = text.replaceAll(
    /\$(?:(\w+)|\{(\w+)\})/g,
    (whole, bare: string | undefined, braced: string | undefined) =>
      environment[bare ?? braced ?? ""] ?? whole,
  );
  if (expanded !== "~" && !expanded.startsWith("~/")) return expanded;
  return join(environment["HOME"] ?? homedir(), expanded.slice(1));
}
