// Values that the database keeps and must not show: sealed with AES-256-GCM, each bound to the row it belongs to.
// Knows keys as bytes; where they come from is `keys.ts`.

import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { ServingError } from "@corral/contract";

export const sealingKeyBytes = 32;

/** Which value this is: a sealed one opens at its own place alone, so that rows cannot be exchanged. */
export interface SealedPlace {
  readonly table: string;
  readonly row: string;
  /** Where a row holds several. */
  readonly column?: string;
}

export interface Sealing {
  /** Names the key that seals. */
  readonly keyId: string;
  seal(text: string, place: SealedPlace): Buffer;
  /** Fails with `secret_unreadable`: no key here sealed it, or it is not what was sealed at this place. */
  open(sealed: Buffer, place: SealedPlace): string;
}

export interface SealingOptions {
  /** 32 bytes each: the first seals, all open. */
  readonly keys: readonly [Buffer, ...Buffer[]];
  readonly newNonce?: () => Buffer;
}

/*
 * A sealed value: [0] format, [1, 9) key id, [9, 21) nonce, then the ciphertext, then 16 bytes of tag. The tag covers
 * format, key id and place as well. A nonce is 96 random bits: safe for 2^32 values of one key (NIST SP 800-38D, 8.3).
 */
const format = 1;
const keyIdBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + keyIdBytes;

export function createSealing({ keys, newNonce = () => randomBytes(nonceBytes) }: SealingOptions): Sealing {
  const byId = new Map(keys.map((key) => [sealingKeyId(key), key]));
  const [newest] = keys;
  const newestId = sealingKeyId(newest);
  const head = Buffer.concat([Buffer.from([format]), Buffer.from(newestId, "hex")]);

  return {
    keyId: newestId,
    seal(text, place) {
      const nonce = newNonce();
      const cipher = createCipheriv("aes-256-gcm", newest, nonce);
      cipher.setAAD(boundTo(head, place));
      const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([head, nonce, body, cipher.getAuthTag()]);
    },
    open(sealed, place) {
      const id = keyIdOf(sealed);
      const key = id === null ? undefined : byId.get(id);
      if (id === null || key === undefined) throw unreadable(place, id);
      const decipher = createDecipheriv(
        "aes-256-gcm",
        key,
        sealed.subarray(headBytes, headBytes + nonceBytes),
      );
      decipher.setAAD(boundTo(sealed.subarray(0, headBytes), place));
      decipher.setAuthTag(sealed.subarray(-tagBytes));
      try {
        const body = decipher.update(sealed.subarray(headBytes + nonceBytes, -tagBytes));
        return Buffer.concat([body, decipher.final()]).toString("utf8");
      } catch {
        throw unreadable(place, null);
      }
    },
  };
}

/** Names a key without telling anything of it. */
export function sealingKeyId(key: Buffer): string {
  if (key.length !== sealingKeyBytes)
    throw new TypeError(`A sealing key has ${sealingKeyBytes} bytes, not ${key.length}.`);
  return createHash("sha256")
    .update("corral sealing key")
    .update(key)
    .digest("hex")
    .slice(0, 2 * keyIdBytes);
}

/** The key that sealed a value; null: it is no sealed value. */
export function keyIdOf(sealed: Buffer): string | null {
  if (sealed.length < headBytes + nonceBytes + tagBytes || sealed[0] !== format) return null;
  return sealed.subarray(1, headBytes).toString("hex");
}

/** JSON keeps two places from having the same bytes. */
function boundTo(head: Buffer, { table, row, column = "" }: SealedPlace): Buffer {
  return Buffer.concat([head, Buffer.from(JSON.stringify([table, row, column]))]);
}

function unreadable({ table, row }: SealedPlace, keyId: string | null): ServingError {
  const why =
    keyId === null
      ? "it is not what was sealed there"
      : `it was sealed with the key ${keyId}, which this process does not have`;
  return new ServingError(
    "secret_unreadable",
    `The sealed value of ${table}/${row} cannot be opened: ${why}. Give every process the same CORRAL_SECRET_KEY, or set the value again.`,
  );
}
