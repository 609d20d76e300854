// Who calls: the key of a request, looked up by its sha256. Keys are never logged and never kept; every request
// asks the database (one query for all of about the same time), so a revoked key is refused at once everywhere.

import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { ServingError, scopes as allScopes, type Scope } from "@corral/contract";

/** What a key may do. */
export interface Principal {
  /** Null: the operator's key from the environment, which has no row. */
  readonly keyId: string | null;
  readonly projectId: string;
  readonly scopes: readonly Scope[];
  /** Model names the key is limited to; null: all. */
  readonly models: readonly string[] | null;
  readonly tokenCap: number | null;
  /** Its share of a busy replica, in [1, 100]. */
  readonly weight: number;
  /** What its calls take is reserved before they begin. */
  readonly hasBudget: boolean;
  /** Null: never. */
  readonly expiresAt: Date | null;
}

/** A key's row, as far as authentication needs it. */
export interface KeyRecord {
  readonly id: string;
  readonly projectId: string;
  readonly scopes: readonly Scope[];
  readonly models: readonly string[] | null;
  readonly tokenCap: number | null;
  /** Its share of a busy replica, in [1, 100]. */
  readonly weight: number;
  /** What its calls take is reserved before they begin. */
  readonly hasBudget: boolean;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

export interface AuthenticatorOptions {
  /** By the hex sha256 of the key; null: there is none. */
  readonly findKey: (hash: string) => Promise<KeyRecord | null>;
  /** CORRAL_API_KEY: an admin key without a row. */
  readonly environmentKey: string | null;
  /** Told of every call that a key was good for. */
  readonly onUse?: (keyId: string) => void;
  readonly now: () => Date;
}

/**
 * Gives the principal of a request's headers, or fails with `unauthenticated`. `onExpected` is told the project of a
 * key that was valid before, while it is asked for again: a guess for looking ahead, never a permission.
 */
export type Authenticate = (
  headers: IncomingHttpHeaders,
  onExpected?: (projectId: string) => void,
) => Promise<Principal>;

/** So many keys' projects are remembered; a key's project never changes. */
const mostExpected = 10_000;

export function createAuthenticator({
  findKey,
  environmentKey,
  onUse = () => {},
  now,
}: AuthenticatorOptions): Authenticate {
  const environmentHash = environmentKey === null ? null : sha256(environmentKey);

  const projects = new Map<string, string>();

  return async (headers, onExpected = () => {}) => {
    const key = keyOfHeaders(headers);
    if (key === null) {
      throw new ServingError("unauthenticated", "Send an API key: Authorization: Api-Key YOUR_KEY.");
    }
    const digest = sha256(key);
    if (environmentHash !== null && timingSafeEqual(digest, environmentHash)) return operator;
    // The look-up compares hashes, so its time tells nothing about the key itself.
    const name = digest.toString("hex");
    const finding = findKey(name);
    const expected = projects.get(name);
    if (expected !== undefined) onExpected(expected);
    const record = await finding;
    if (record === null) throw new ServingError("unauthenticated", "This API key is not known here.");
    if (record.revokedAt !== null) throw new ServingError("unauthenticated", "This API key was revoked.");
    if (record.expiresAt !== null && record.expiresAt <= now()) {
      throw new ServingError("unauthenticated", `This API key expired at ${record.expiresAt.toISOString()}.`);
    }
    const { id, projectId, scopes, models, tokenCap, weight, hasBudget, expiresAt } = record;
    if (expected === undefined) {
      if (projects.size >= mostExpected) projects.clear();
      projects.set(name, projectId);
    }
    onUse(id);
    return { keyId: id, projectId, scopes, models, tokenCap, weight, hasBudget, expiresAt };
  };
}

const operator: Principal = Object.freeze({
  keyId: null,
  projectId: "default",
  scopes: allScopes,
  models: null,
  tokenCap: null,
  weight: 1,
  hasBudget: false,
  expiresAt: null,
});

export function sha256(key: string): Buffer {
  return hash("sha256", key, "buffer");
}

/** `Authorization: Api-Key K`, `Bearer K` or the bare key; `X-Api-Key: K`. Null where there is none. */
export function keyOfHeaders(headers: IncomingHttpHeaders): string | null {
  const authorization = headers.authorization?.trim();
  if (authorization !== undefined && authorization !== "") {
    const [, key] = /^(?:api-key|bearer)\s+(\S+)$/i.exec(authorization) ?? [];
    if (key !== undefined) return key;
    return /^\S+$/.test(authorization) ? authorization : null;
  }
  const header = headers["x-api-key"];
  return typeof header === "string" && header.trim() !== "" ? header.trim() : null;
}
