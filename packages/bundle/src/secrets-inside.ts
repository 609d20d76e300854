// Secrets that must not travel with a bundle: texts in the config and files that hold one by its form or by their name.
// Only what is a secret beyond doubt; an example value such as "my-token" is none. Pure.

import { isRecord } from "./config-issues.ts";

const privateKey = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----/;
/** With the beginning of the key: programs name the first line alone. */
const wholePrivateKey = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:\s|\\n|["'+,]){1,20}[A-Za-z0-9+/=]{40}/;
/** Forms that their issuers document, so that leaked ones can be found. Each is bounded: no text makes one slow. */
const tokens: readonly (readonly [whose: string, form: RegExp])[] = [
  ["a Hugging Face token", /\bhf_[A-Za-z0-9]{30,}/],
  ["a GitHub token", /\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})/],
  ["an AWS access key", /\b(AKIA|ASIA)(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}\b/],
  ["an OpenAI or Anthropic key", /\bsk-(?=[\w-]{0,60}\d)[\w-]{40}/],
  ["a Slack token", /\bxox[abprs]-[A-Za-z0-9-]{20,}/],
  ["a Google API key", /\bAIza[A-Za-z0-9_-]{35}/],
];

export interface SecretProblem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const declareIt = "Declare it under secrets with null and keep the value on the platform.";

/** Mistakes of a config, sound or not, that holds secrets anywhere; the messages never show them. */
export function secretProblems(config: Readonly<Record<string, unknown>>): SecretProblem[] {
  const found: SecretProblem[] = [];
  const look = (text: string, path: readonly PropertyKey[]) => {
    const whose = privateKey.test(text) ? "a private key" : tokenIn(text);
    if (whose === null) return;
    const remedy = path[0] === "secrets" ? "Write null here and keep the value on the platform." : declareIt;
    const message = `${path.map(String).join(".")} holds ${whose} by its form, and a bundle never does. ${remedy}`;
    found.push({ path, message });
  };
  const walk = (value: unknown, path: readonly PropertyKey[]): void => {
    if (typeof value === "string") look(value, path);
    else if (Array.isArray(value)) for (const [index, item] of value.entries()) walk(item, [...path, index]);
    else if (isRecord(value)) {
      for (const [key, member] of Object.entries(value)) {
        // A key that is one is not named.
        look(key, path);
        walk(member, [...path, key]);
      }
    }
  };
  walk(config, []);
  return found;
}

function tokenIn(text: string): string | null {
  return tokens.find(([, form]) => form.test(text))?.[0] ?? null;
}

/** Whose secret stands in a text file, such as code; null: none that can be told. */
export function secretInText(text: string): string | null {
  return wholePrivateKey.test(text) ? "a private key" : tokenIn(text);
}

/** Bytes of a file in which secrets are looked for. */
export const mostSearched = 64 * 1024;

export function holdsPrivateKey(text: string): boolean {
  return privateKey.test(text);
}

const secretNames =
  /^(\.env(\..+)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)|admin-key|.+\.(p12|pfx|keystore|jks))$/;
/** What is given away as an example of a .env. */
const examples = /^\.env\.(example|sample|template|dist|defaults)$/;
const secretDirectories = /^(\.ssh|\.aws|\.gnupg|\.kube|\.docker)$/;

/** Whether a file is one that holds secrets by its name. */
export function isSecretPath(path: string): boolean {
  const parts = path.toLowerCase().split("/");
  const name = parts.at(-1) ?? "";
  if (parts.slice(0, -1).some((part) => secretDirectories.test(part))) return true;
  return secretNames.test(name) && !examples.test(name);
}

/** Names of files whose content tells: a certificate may travel, its private key may not. */
export function mayHoldKey(path: string, size: number): boolean {
  return size <= mostSearched && /\.(pem|key|crt|cer|json)$/i.test(path);
}
