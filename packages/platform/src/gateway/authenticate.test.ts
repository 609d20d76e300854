import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthenticator, keyOfHeaders, sha256, type KeyRecord } from "./authenticate.ts";

const record: KeyRecord = {
  id: "k1",
  projectId: "default",
  scopes: ["predict"],
  models: null,
  tokenCap: null,
  weight: 1,
  hasBudget: false,
  expiresAt: null,
  revokedAt: null,
};

function authenticator(records: Record<string, Partial<KeyRecord>>, environmentKey: string | null = null) {
  const rows = new Map(
    Object.entries(records).map(([key, row]) => [sha256(key).toString("hex"), { ...record, ...row }]),
  );
  const queries: string[] = [];
  const authenticate = createAuthenticator({
    findKey: async (hash) => {
      queries.push(hash);
      return rows.get(hash) ?? null;
    },
    environmentKey,
    now: () => new Date("2026-11-21T12:00:00Z"),
  });
  return { authenticate, queries };
}

test("a key is taken from each of the documented header forms", () => {
  for (const authorization of ["Api-Key K-1", "api-key K-1", "Bearer K-1", "BEARER  K-1", "K-1"]) {
    assert.equal(keyOfHeaders({ authorization }), "K-1", authorization);
  }
  assert.equal(keyOfHeaders({ "x-api-key": " K-1 " }), "K-1");
  for (const authorization of ["", "Basic a b", "two words"])
    assert.equal(keyOfHeaders({ authorization }), null);
});

test("missing, unknown, revoked and expired keys are refused, each with its reason and never with the key", async () => {
  const { authenticate } = authenticator({
    corral_aaaaaaaa_revokedrevoked: { revokedAt: new Date(0) },
    corral_aaaaaaaa_expiredexpired: { expiresAt: new Date("2026-11-21T12:00:00Z") },
  });
  const refused: [Record<string, string>, RegExp][] = [
    [{}, /^Send an API key: Authorization: Api-Key YOUR_KEY\.$/],
    [{ authorization: "corral_aaaaaaaa_unknownunknown" }, /not known/],
    [{ authorization: "corral_aaaaaaaa_revokedrevoked" }, /revoked/],
    [{ authorization: "corral_aaaaaaaa_expiredexpired" }, /expired at 2026/],
  ];
  for (const [headers, message] of refused) {
    await assert.rejects(authenticate(headers), (error: Error & { code?: string }) => {
      assert.equal(error.code, "unauthenticated");
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /corral_aaaaaaaa/);
      return true;
    });
  }
});

test("every call asks for its key, and no answer is kept for the next", async () => {
  const { authenticate, queries } = authenticator({ "key-1": {} });
  await authenticate({ authorization: "key-1" });
  await authenticate({ authorization: "key-1" });
  assert.equal(queries.length, 2);
});

test("the key of the environment is an admin and asks no database", async () => {
  const { authenticate, queries } = authenticator({}, "an-environment-key");
  const principal = await authenticate({ authorization: "Bearer an-environment-key" });
  assert.equal(principal.keyId, null);
  assert.ok(principal.scopes.includes("admin"));
  assert.deepEqual(queries, []);
});
