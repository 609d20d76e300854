// How a receiver knows that a delivery is ours and whole: the signatures of three families. Pure.

import { createHmac } from "node:crypto";

export const secretPrefix = "whsec_";

/**
 * `v1,…` of `webhook-signature`.
 * Source: the Standard Webhooks specification 1.0, symmetric signatures.
 * @param secret `whsec_` and the key in base64
 * @param timestamp seconds since 1970
 */
export function standardSignature(secret: string, id: string, timestamp: number, body: Buffer): string {
  const key = Buffer.from(secret.slice(secretPrefix.length), "base64");
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64")}`;
}

/** `v1=…` of `X-BASETEN-SIGNATURE`: the text of the secret is the key, the body alone is signed. */
export function basetenSignature(secret: string, body: Buffer): string {
  return `v1=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

/** `v1,…` of `X-Cerebrium-Webhook-Signature`, with the secret that the caller sent. */
export function cerebriumSignature(secret: string, id: string, timestamp: number, body: Buffer): string {
  return `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest("hex")}`;
}
