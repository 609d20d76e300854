// The worked example of a chain: two directories pushed as they are, one deployment calling the other within the limits
// of the caller's key.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { json, startCorral, type Corral } from "./harness.ts";

const directory = (name: string) => fileURLToPath(new URL(`../examples/chain/${name}`, import.meta.url));

let corral: Corral;
const deployments: Record<string, string> = {};
before(async () => {
  corral = await startCorral({ quickstart: false });
  for (const name of ["draft", "review"]) {
    const { code, stdout, stderr } = await corral.cli("push", directory(name), "--output", "json");
    assert.equal(code, 0, stderr);
    deployments[name] = (JSON.parse(stdout) as { id: string }).id;
  }
});
after(() => corral[Symbol.asyncDispose]());

interface Reviewed {
  readonly best: string;
  readonly drafts: readonly string[];
}
interface Runs {
  readonly items: readonly { readonly deployment_id: string; readonly usage: { generated_tokens: number } }[];
}

const review = "/model/chain-review/production/predict";

test("the review asks for drafts, each of them a run of its own", async () => {
  const answer = await corral.post(review, { topic: "dogs", count: 3 });
  assert.equal(answer.status, 200, await answer.clone().text());
  const { best, drafts } = await json<Reviewed>(answer);
  assert.equal(drafts.length, 3);
  assert.ok(drafts.includes(best));
  assert.equal(new Set(drafts).size, 3, "seeds give different texts");
  const { items } = await json<Runs>(await corral.request("/api/v1/runs?limit=10"));
  const of = (name: string) => items.filter(({ deployment_id: id }) => id === deployments[name]);
  assert.equal(of("draft").length, 3);
  assert.ok(of("draft").every(({ usage }) => usage.generated_tokens > 0));
  assert.equal(of("review").length, 1);
  assert.equal(of("review")[0]?.usage.generated_tokens, 0, "what a draft used is counted once");
});

test("a key that may not use the draft is refused there, whatever the review may do", async () => {
  const made = await corral.post("/api/v1/keys", {
    name: "r",
    scopes: ["predict"],
    models: ["chain-review"],
  });
  const { key } = await json<{ key: string }>(made);
  const answer = await corral.post(
    review,
    { topic: "dogs" },
    { headers: { authorization: `Api-Key ${key}` } },
  );
  assert.equal(answer.status, 500, "the code did not expect it");
  const { items } = await json<Runs>(await corral.request("/api/v1/runs?limit=1"));
  assert.equal(items[0]?.deployment_id, deployments["review"]);
});
