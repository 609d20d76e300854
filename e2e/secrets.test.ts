// Secrets of a project: set, given to the code that declares them and to nothing else, and found nowhere afterwards.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";

let corral: Corral;
let directory: string;
before(async () => {
  corral = await startCorral({
    quickstart: false,
    env: { LOG_LEVEL: "debug", CORRAL_EGRESS_ALLOW: "127.0.0.1/32" },
  });
  directory = await mkdtemp(join(tmpdir(), "corral-secrets-"));
});
after(async () => {
  await corral[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const value = `s3cret-${randomBytes(18).toString("hex")}`;
const callersSecret = `callers-${randomBytes(18).toString("hex")}`;
const other = `other-${randomBytes(18).toString("hex")}`;

const code = `
  import { createHash } from "node:crypto";
  import { secrets } from "@corral/model";
  const hash = (text) => createHash("sha256").update(text).digest("hex");
  export async function predict({ name }) {
    if (name !== undefined) return secrets.get(name);
    const seen = JSON.stringify([process.env, process.argv, process.execArgv]);
    return { token: hash(secrets.get("api_token")), spare: secrets.get("spare"), undeclared: secrets.has("other"),
      inEnvironment: seen.includes(secrets.get("api_token")) };
  }`;

test("code has the secrets that its config declares, says which is missing, and has them from no environment", async () => {
  for (const [name, text] of [
    ["api_token", value],
    ["other", other],
  ] as const) {
    const response = await corral.request(`/api/v1/secrets/${name}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ value: text }),
    });
    assert.equal(response.status, 200);
  }
  const listed = await corral.cli("secrets", "ls", "--output", "json");
  assert.deepEqual((JSON.parse(listed.stdout) as { name: string }[]).map(({ name }) => name).toSorted(), [
    "api_token",
    "other",
  ]);
  const path = join(directory, "teller");
  await mkdir(join(path, "model"), { recursive: true });
  await writeFile(
    join(path, "config.yaml"),
    "model_name: teller\nsecrets: {api_token: null, spare: a default, absent: null}\n",
  );
  await writeFile(join(path, "model/model.ts"), code);
  const pushed = await corral.cli("push", path);
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.deepEqual(await json(await corral.post("/model/teller/production/predict", {})), {
    token: createHash("sha256").update(value).digest("hex"),
    spare: "a default",
    undeclared: false,
    inEnvironment: false,
  });
  for (const name of ["absent", "other"]) {
    const response = await corral.post("/model/teller/production/predict", { name });
    assert.equal(response.status, 500);
    await response.text();
    assert.match(
      (await corral.cli("logs", "teller")).stdout,
      new RegExp(`Secret .?"${name}.?" is not there`),
    );
  }
});

/** Sent twice, with the project's signature and with a caller's own; gives all that signed, a replaced one among it. */
async function signingSecrets(): Promise<string[]> {
  const arrived: IncomingHttpHeaders[] = [];
  const receiver = createServer((request, response) => {
    arrived.push(request.headers);
    request.resume();
    response.end();
  });
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const { port } = receiver.address() as AddressInfo;
  const endpoint = encodeURIComponent(`http://127.0.0.1:${port}/results`);
  const projectSecret = async () =>
    (await json<{ secret: string }>(await corral.request("/api/v1/webhook-secret"))).secret;
  try {
    const before = await projectSecret();
    await corral.post("/api/v1/webhook-secret/rotate", {});
    for (const asynchronous of ["", "&async=true"]) {
      const path = `/teller/predict?webhookEndpoint=${endpoint}${asynchronous}`;
      const call = await corral.post(path, {}, { headers: { "x-webhook-secret": callersSecret } });
      assert.ok(call.ok, await call.text());
    }
    await waitUntil("both results arrive", 30_000, () => arrived.length >= 2);
    for (const headers of arrived) {
      assert.match(String(headers["webhook-signature"]), /^v1,\S+ v1,\S+$/);
      assert.ok(headers["x-cerebrium-webhook-signature"]);
    }
    return [before, await projectSecret()].map((secret) => secret.replace(/^whsec_/, ""));
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }
}

test("neither secret, key nor the key of all secrets is found in what Corral wrote", async () => {
  const signing = await signingSecrets();
  const { key } = await json<{ key: string }>(
    await corral.post("/api/v1/keys", { name: "grep", scopes: ["predict"] }),
  );
  const call = await corral.post("/model/teller/production/predict", {}, { headers: { authorization: key } });
  assert.equal(call.status, 200);
  await corral.request("/api/v1/models", { headers: { authorization: `${key}x` } });
  await corral.post("/api/v1/secret-key/rotate", {});
  const sealingKey = Buffer.from((await readFile(join(corral.home, "secret-key"), "utf8")).trim(), "base64");
  const wanted = [
    value,
    other,
    callersSecret,
    ...signing,
    key.split("_")[2] ?? "",
    corral.key.split("_")[2] ?? "",
  ]
    .flatMap((text) => formsOf(Buffer.from(text)))
    .concat(signing.flatMap((text) => formsOf(Buffer.from(text, "base64"))))
    .concat(formsOf(sealingKey));
  const adminSecret = corral.key.split("_")[2] ?? "";
  const mayHold = new Map([
    ["admin-key", new Set([adminSecret])],
    // Without `+` and `/` in it, a key's base64url is the beginning of its base64.
    ["secret-key", new Set(formsOf(sealingKey).map(String))],
  ]);
  const files = (await readdir(corral.home, { recursive: true, withFileTypes: true })).filter((file) =>
    file.isFile(),
  );
  let searched = 0;
  for (const file of files) {
    const content = await readFile(join(file.parentPath, file.name)).catch(() => Buffer.alloc(0));
    for (const text of wanted) {
      if (mayHold.get(file.name)?.has(text.toString()) === true) continue;
      assert.ok(
        !content.includes(text),
        `${join(file.parentPath, file.name)} holds ${text.toString("latin1")}`,
      );
    }
    searched += 1;
  }
  assert.ok(searched > 500, `${searched} files, PostgreSQL's among them`);
  const output = Buffer.from(corral.output());
  for (const text of wanted)
    if (text.toString() !== adminSecret) assert.ok(!output.includes(text), "the output");
});

function formsOf(bytes: Buffer): Buffer[] {
  return [
    bytes,
    ...[bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("hex")].map((text) =>
      Buffer.from(text),
    ),
  ];
}
