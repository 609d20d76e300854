// Secrets that must not travel with a bundle: values in the config that are one by their form, files that hold one.
// Only what is a secret beyond doubt; an example value such as "my-token" is none. Pure.

import { isRecord } from "./config-issues.ts";

const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
/** Forms that their issuers document, so that leaked ones can be found. */
const tokens: readonly (readonly [whose: string, form: RegExp])[] = [
  ["a Hugging Face token", /\bhf_[A-Za-z0-9]{30,}/],
  ["a GitHub token", /\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})/],
  ["an AWS access key", /\b(AKIA|ASIA)[A-Z0-9]{16}\b/],
  ["an OpenAI or Anthropic key", /\bsk-(?=[\w-]*\d)[\w-]{40,}/],
  ["a Slack token", /\bxox[abprs]-[A-Za-z0-9-]{20,}/],
  ["a Google API key", /\bAIza[A-Za-z0-9_-]{35}/],
  ["a private key", privateKey],
];

/** Mistakes of a config, sound or not, that holds secrets; the messages never show them. */
export function secretProblems(
  config: Readonly<Record<string, unknown>>,
): { readonly path: readonly string[]; readonly message: string }[] {
  const found = (field: string, remedy: string) => {
    const values = config[field];
    return Object.entries(isRecord(values) ? values : {}).flatMap(([name, value]) => {
      const whose = typeof value === "string" ? secretIn(value) : null;
      if (whose === null) return [];
      const message = `${field}.${name} is ${whose} by its form, and a bundle never holds one. ${remedy}`;
      return [{ path: [field, name], message }];
    });
  };
  return [
    ...found("secrets", "Write null here and keep the value on the platform."),
    ...found(
      "environment_variables",
      "Declare it under secrets with null and keep the value on the platform.",
    ),
  ];
}

/** Whose secret a text holds; null: none that can be told. */
function secretIn(text: string): string | null {
  return tokens.find(([, form]) => form.test(text))?.[0] ?? null;
}

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
  return size <= 64 * 1024 && /\.(pem|key|crt|cer|json)$/i.test(path);
}
