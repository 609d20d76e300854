import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchFromHub } from "./fetch.ts";
import { assertFails, assertSame, noise, startHubCase } from "./testing/hub-case.ts";

const repository = "owner/name";
const files = { "config.json": "{}", "model.safetensors": noise(500_000, 7) };
const all = ["config.json", "model.safetensors"];

test("a gated repository without a token says which page to open, what to click and which variable to set", async (t) => {
  const { hub, options } = await startHubCase(t, files, { repository: { gated: "auto" } });
  await assertFails(
    fetchFromHub({ repository }, options),
    "repository_gated",
    /no token was sent/,
    new RegExp(`Open ${hub.url}/owner/name, log in and click "Agree and access repository"`),
    /settings\/tokens; then set HF_TOKEN/,
  );
  assert.ok(hub.requests.every((request) => !request.path.includes("safetensors")));
});

test("a token without access is told apart from a missing one", async (t) => {
  const { options, withVariables } = await startHubCase(t, files, {
    repository: { gated: "auto", access: ["hf_granted"] },
  });
  await assertFails(
    fetchFromHub({ repository }, withVariables({ HF_TOKEN: "hf_other" })),
    "repository_gated",
    /owner of the token of HF_TOKEN has no access/,
    /fine-grained/,
  );
  await assertFails(fetchFromHub({ repository }, options), "repository_gated", /no token/);
  assertSame(await fetchFromHub({ repository }, withVariables({ HF_TOKEN: "hf_granted" })), files, all);
});

test("a token that is revoked in the middle ends the download with what to do, and what came is kept", async (t) => {
  const { hub, withVariables } = await startHubCase(t, files, {
    repository: { gated: "auto", access: ["hf_granted", "hf_new"] },
  });
  hub.faults.push({ server: "cdn", after: 1, times: 1, before: () => hub.revoke("hf_granted") });
  const options = withVariables({ HF_TOKEN: "hf_granted" });
  const slow = { ...options, tuning: { ...options.tuning, connectionCount: 1 } };
  await assertFails(
    fetchFromHub({ repository }, slow),
    "repository_gated",
    /refuses the token of HF_TOKEN \(401, invalid credentials\): it was revoked/,
    /what was downloaded is kept/,
  );
  const before = hub.wireBytes();
  assertSame(await fetchFromHub({ repository }, withVariables({ HF_TOKEN: "hf_new" })), files, all);
  assert.ok(hub.wireBytes() - before < 320_000, `${hub.wireBytes() - before} bytes came again`);
});

test("the token goes to the hub and never to where it sends us", async (t) => {
  const { hub, withVariables } = await startHubCase(t, files);
  await fetchFromHub({ repository }, withVariables({ HF_TOKEN: "hf_secret" }));
  const sent = (server: string) =>
    hub.requests
      .filter((request) => request.server === server)
      .map((request) => request.headers["authorization"]);
  assert.ok(sent("hub").every((header) => header === "Bearer hf_secret"));
  assert.ok(sent("cdn").length > 0 && sent("cdn").every((header) => header === undefined));
});

test("an unknown repository gets the names near it, a private one the token's part", async (t) => {
  const { options, withVariables } = await startHubCase(t, files);
  await assertFails(
    fetchFromHub({ repository: "wrong/name" }, options),
    "repository_not_found",
    /no repository wrong\/name/,
    /If it is private, set HF_TOKEN/,
    /Did you mean owner\/name\?/,
  );
  await assertFails(
    fetchFromHub({ repository: "wrong/other" }, withVariables({ HF_TOKEN: "hf_x" })),
    "repository_not_found",
    /the token of HF_TOKEN may not read it\.$/,
  );
});

test("a private repository is fetched with a token that may read it", async (t) => {
  const { options, withVariables } = await startHubCase(t, files, {
    repository: { private: true, access: ["hf_granted"] },
  });
  await assertFails(fetchFromHub({ repository }, options), "repository_not_found");
  assertSame(await fetchFromHub({ repository }, withVariables({ HF_TOKEN: "hf_granted" })), files, all);
});

test("an unknown revision gets the branches that there are", async (t) => {
  const { options } = await startHubCase(t, files);
  await assertFails(
    fetchFromHub({ repository, revision: "v9" }, options),
    "repository_not_found",
    /owner\/name has no revision v9\. It has main\./,
  );
  await assertFails(
    fetchFromHub({ repository, revision: "0".repeat(40) }, options),
    "repository_not_found",
    /no revision 0{40}/,
  );
});

test("redirects to anything but http are not followed", async (t) => {
  for (const redirectTo of [
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:,x",
    "http://user:pass@127.0.0.1/x",
  ]) {
    const { hub, options } = await startHubCase(t, files, {
      faults: [{ path: /resolve\/.*config\.json/, redirectTo }],
    });
    await assertFails(
      fetchFromHub({ repository }, options),
      "hub_unavailable",
      /redirects to/,
      /only http:\/\/ and https:\/\//,
    );
    assert.ok(hub.requests.filter((request) => request.path.includes("config.json")).length <= 1);
  }
});

test("redirects in a circle end", async (t) => {
  const { hub, options } = await startHubCase(t, files);
  hub.faults.push({
    path: /resolve\/.*config\.json/,
    redirectTo: `${hub.url}/owner/name/resolve/main/config.json`,
  });
  await assertFails(fetchFromHub({ repository }, options), "hub_unavailable", /more than 5 times/);
});

test("an address that is no hub is refused by its variable", async (t) => {
  const { withVariables } = await startHubCase(t, files);
  await assertFails(
    fetchFromHub({ repository }, withVariables({ HF_ENDPOINT: "ftp://x" })),
    "invalid_parameter",
    /HF_ENDPOINT must be an http or https URL/,
  );
});

test("a token in an error's text is blotted out", async (t) => {
  const token = "hf_abcdefghijklmnopqrstuvwxyz";
  const { hub, withVariables } = await startHubCase(t, files);
  hub.faults.push({ path: /resolve/, redirectTo: `ftp://127.0.0.1/${token}` });
  await assert.rejects(fetchFromHub({ repository }, withVariables({ HF_TOKEN: token })), (error: Error) => {
    assert.doesNotMatch(error.message, /abcdefgh/);
    return true;
  });
});
