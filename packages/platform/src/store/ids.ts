// Ids and key texts: how they look and how much chance is in them. Chance is an argument everywhere else.

import { createHash, randomBytes } from "node:crypto";

export type NewId = () => string;

const lowerCase = "abcdefghijklmnopqrstuvwxyz0123456789";
const base62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Eight characters of a-z and 0-9: models, deployments, replicas and keys. */
export function randomId(): string {
  return randomText(8, lowerCase);
}

/** Twenty upper-case characters, as S3's clients expect of an access key. Nobody guesses one. */
export function randomAccessKey(): string {
  return `CRRL${randomText(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}`;
}

/** A version is named by what it is: the same content pushed to the same model gets the same id. */
export function versionId(modelId: string, digest: string): string {
  return createHash("sha256").update(modelId).update(digest).digest("hex").slice(0, 16);
}

/** The secret part of a key: 43 characters of base 62, 256 bits. Letters and digits only, so that `redact` finds it. */
export function randomSecret(): string {
  return randomText(43, base62);
}

/** `length` characters, each of `alphabet` with the same probability. */
function randomText(length: number, alphabet: string): string {
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length * 2)) {
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
