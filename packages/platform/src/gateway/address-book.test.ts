import assert from "node:assert/strict";
import { test } from "node:test";
import { createAddressBook, findByIdentifier, type AddressedDeployment } from "./address-book.ts";

function deployment(fields: Partial<AddressedDeployment>): AddressedDeployment {
  const name = fields.name ?? "d";
  return {
    id: `id-${name}`,
    name,
    projectId: "default",
    modelId: `m-${fields.modelName ?? name}`,
    modelName: name,
    modelTitle: name,
    status: "active",
    statusDetail: null,
    identifiers: [],
    development: false,
    production: true,
    storesRuns: true,
    deployedAtMs: 0,
    ...fields,
  };
}

const tiny = deployment({ name: "corral-tiny-3", identifiers: ["corral-tiny-3", "llama-3-8b-instruct"] });

test("a stand-in answers for an identifier until the model itself is deployed", () => {
  assert.equal(findByIdentifier([tiny], "llama-3-8b-instruct"), tiny);
  assert.equal(findByIdentifier([tiny], "meta-llama-3-8b-instruct"), tiny);
  const real = deployment({ name: "my-llama", identifiers: ["llama-3-8b-instruct"], status: "starting" });
  assert.equal(findByIdentifier([tiny, real], "llama-3-8b-instruct"), real);
});

test("a model's name leads to its production deployment, whatever the deployments are called", () => {
  const old = deployment({ name: "chat", modelName: "chat", production: false, deployedAtMs: 2 });
  const current = deployment({ name: "chat-2", modelName: "chat", deployedAtMs: 1 });
  assert.equal(findByIdentifier([old, current], "chat"), current);
});

test("unknown names are answered with what was probably meant, or with how to deploy it", async () => {
  const book = createAddressBook(async (projectId) => (projectId === "default" ? [tiny] : []));
  const addresses = await book.open("default");
  const elsewhere = await book.open("other-project");
  assert.throws(() => addresses.byIdentifier("llama2-7b-chat"), /corral deploy llamav2-7b-chat/);
  assert.throws(() => addresses.byIdentifier("corral-tiny-9"), /Did you mean corral-tiny-3/);
  assert.throws(() => addresses.byIdentifier("%2e%2e"), { code: "model_not_found" });
  assert.throws(() => addresses.byDeployment("corral-tiny"), /Did you mean corral-tiny-3/);
  assert.throws(() => elsewhere.byModel("corral-tiny-3"), { code: "model_not_found" });
  assert.equal(addresses.byDeployment("id-corral-tiny-3"), tiny);
  assert.equal(addresses.byModel("corral-tiny-3"), tiny);
});
