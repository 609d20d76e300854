// Models by name: `corral deploy <identifier>` from nothing to an answer, with a hub on loopback that serves the tiny
// models under the names of Meta's repositories and breaks off a connection; and what a machine lacks, told in one
// sentence each. Through the `corral` command and HTTP alone.

import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startFakeHub, type FakeHub } from "@corral/weights/testing";
import { answerProblem, questions } from "./english.ts";
import { json, startCorral, type Corral } from "./harness.ts";
import { writeTinyRepository } from "./tiny-repository.ts";

const llama2 = "meta-llama/Llama-2-7b-chat-hf";
const llama3 = "meta-llama/Meta-Llama-3-8B-Instruct";
const token = "hf_thetokenofthestory";

let directory: string;
let hub: FakeHub;
let corral: Corral;
const fileBytes = { [llama2]: 0, [llama3]: 0 };

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "corral-hub-"));
  fileBytes[llama2] = await writeTinyRepository("corral-tiny-2", join(directory, "llama-2"));
  fileBytes[llama3] = await writeTinyRepository("corral-tiny-3", join(directory, "llama-3"), 3);
  hub = await startFakeHub({
    repositories: {
      [llama2]: { directory: join(directory, "llama-2"), gated: "manual", access: [token] },
      [llama3]: { directory: join(directory, "llama-3"), gated: "manual", access: [token] },
      "meta-llama/Llama-2-13b-chat-hf": { directory: join(directory, "llama-2"), gated: "manual" },
      "open/tiny": { directory: join(directory, "llama-2"), revisions: { v1: join(directory, "llama-2") } },
    },
  });
  corral = await startCorral({ quickstart: false, env: hubEnvironment() });
});
after(async () => {
  await corral[Symbol.asyncDispose]();
  await hub.close();
  await rm(directory, { recursive: true, force: true });
});

function hubEnvironment(changes: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { HF_ENDPOINT: hub.url, HF_TOKEN: token, HF_HOME: join(directory, "cache"), ...changes };
}

async function deploy(...args: string[]) {
  const { code, stdout, stderr } = await corral.cli("deploy", ...args, "--output", "json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as { id: string; model_name: string; identifiers: string[] };
}

test("a Llama-2-type repository goes from nothing to the documented call's answer, over a cut connection", async () => {
  hub.faults.push({ server: "cdn", path: /-00002-of-00002\.safetensors$/, times: 1, cutAfterBytes: 100_000 });
  const before = hub.wireBytes();
  const deployment = await deploy(
    "llamav2-7b-chat",
    "--accept-license",
    "--quantize",
    "f16",
    "--precision",
    "reference",
  );
  assert.deepEqual(deployment.identifiers, ["llamav2-7b-chat"]);
  assert.equal(hub.faults[0]?.times, 0, "the connection was cut");
  const ratio = (hub.wireBytes() - before) / fileBytes[llama2];
  assert.ok(ratio <= 1.05, `${ratio.toFixed(3)} × the files were sent`);

  const response = await corral.post("/llamav2-7b-chat-webhook/predict", {
    prompt: "What is beam search?",
    max_length: 100,
    temperature: 0.9,
    top_p: 0,
  });
  const answer = await json<{ result: { generated_text: string }[] }>(response);
  assert.equal(response.status, 200, JSON.stringify(answer));
  assert.match(answer.result[0]?.generated_text ?? "", /^What is beam search\?./s);
});

test("a Llama-3-type repository answers the documented chat call in English, and a default recipe is made of it", async () => {
  const before = hub.wireBytes();
  const deployment = await deploy("llama-3-8b-instruct", "--accept-license", "llama3", "--quantize", "f16");
  const ratio = (hub.wireBytes() - before) / fileBytes[llama3];
  assert.ok(ratio <= 1.05, `${ratio.toFixed(3)} × the files were sent`);
  const response = await corral.post(`/model_versions/${deployment.id}/predict`, {
    messages: [{ role: "user", content: "What even is AGI?" }],
    max_tokens: 128,
    seed: 1,
  });
  const answer = await json<{ model_output: { output: string } }>(response);
  assert.equal(response.status, 200, JSON.stringify(answer));
  const keywords = questions.find((question) => question.id === "agi")?.keywords ?? [];
  assert.equal(answerProblem(answer.model_output.output, keywords, "first"), null);

  // The row's own recipe, from the cache: not a byte of the weights is fetched again.
  const between = hub.wireBytes();
  const asked = await corral.post("/api/v1/weights", { source: "llama3-8b-instruct" });
  const { id } = await json<{ id: string }>(asked);
  const usual = await deploy("llama-3-8b-instruct", "--quantize", "q4_k_m", "--name", "usual");
  assert.ok(hub.wireBytes() - between < 0.05 * fileBytes[llama3]);
  const shown = await corral.cli("weights", "show", id, "--output", "json");
  const weights = JSON.parse(shown.stdout) as { status: string; quantization: string; revision: string };
  assert.deepEqual([weights.status, weights.quantization], ["ready", "q4_k_m"]);
  assert.match(weights.revision, /^[0-9a-f]{40}$/);
  assert.equal(usual.model_name, "llama-3-8b-instruct");
});

test("a repository by its name and revision, and a directory of one's own, are deployed alike", async () => {
  const byName = await deploy("open/tiny", "--revision", "v1", "--quantize", "q8_0");
  assert.equal(byName.model_name, "tiny");
  const answer = await corral.post(`/api/v1/deployments/${byName.id}/generate`, {
    prompt: "Hello!",
    max_new_tokens: 4,
  });
  assert.equal(answer.status, 200, await answer.text());
  const own = join(corral.home, "models", "my-finetune");
  await writeTinyRepository("corral-tiny-3", own, 1);
  const deployed = await deploy(own, "--quantize", "q8_0");
  assert.equal(deployed.model_name, "my-finetune");
  const listed = await corral.cli("weights", "ls", "--output", "json");
  const sources = (JSON.parse(listed.stdout) as { source: string; status: string }[]).map(
    ({ source, status }) => `${source} ${status}`,
  );
  assert.ok(sources.includes(`${own} ready`) && sources.includes("open/tiny@v1 ready"), sources.join());
});

test("weights are deleted once nothing uses them, with their files", async () => {
  const { id } = await json<{ id: string }>(
    await corral.post("/api/v1/weights", { source: "open/tiny@v1", quantization: "q8_0" }),
  );
  const refused = await corral.cli("weights", "rm", id);
  assert.match(refused.stderr, /are used by tiny; delete these first \(`corral rm tiny`\)/);
  assert.equal((await corral.cli("rm", "tiny")).code, 0);
  assert.equal((await corral.cli("weights", "rm", id)).code, 0);
  assert.equal((await corral.cli("weights", "show", id)).code, 4);
  const left = await stat(join(directory, "cache")).catch(() => null);
  assert.ok(left?.isDirectory(), "the hub's cache stays");
});

test("what is missing or wrong is told in one sentence, with what to do", async () => {
  const cases: readonly [readonly string[], number, RegExp][] = [
    [
      ["llamav2-7b-chta"],
      4,
      /There is no model "llamav2-7b-chta" in the catalogue; did you mean llamav2-7b-chat/,
    ],
    [["nobody/nothing"], 4, /has no repository nobody\/nothing/],
    [["open/tiny", "--revision", "nope"], 4, /open\/tiny has no revision nope/],
    [["open/tiny", "--file", "x.gguf"], 4, /open\/tiny has no GGUF file "x\.gguf"/],
    [["open/tiny", "--quantize", "q4km"], 2, /--quantize is "q4km"; .*did you mean q4_k_m\?/],
    [
      ["llamav2-13b-chat"],
      3,
      /meta-llama\/Llama-2-13b-chat-hf is gated.*click "Agree and access repository"/,
    ],
  ];
  for (const [args, code, sentence] of cases) {
    const ended = await corral.cli("deploy", ...args);
    assert.match(ended.stderr, sentence);
    assert.equal(ended.code, code, ended.stderr);
    assert.equal(ended.stdout, "");
  }
});

test("a licence that was not accepted, a missing token, a revoked one and an offline hub are each asked for", async () => {
  await using other = await startCorral({
    quickstart: false,
    env: hubEnvironment({ HF_TOKEN: "", HF_HOME: join(directory, "other") }),
  });
  const unaccepted = await other.cli("deploy", "llamav2-7b-chat");
  assert.equal(unaccepted.code, 6);
  assert.match(
    unaccepted.stderr,
    /llamav2-7b-chat needs the licence llama2 accepted once: read https:.*--accept-license llama2/,
  );
  const tokenless = await other.cli("deploy", "llamav2-7b-chat", "--accept-license");
  assert.equal(tokenless.code, 3);
  assert.match(tokenless.stderr, /is gated, and no token was sent\. .*set HF_TOKEN/);
  await other.stop();

  hub.revoke(token);
  const revoked = await corral.cli("deploy", "llamav2-70b-chat");
  assert.equal(revoked.code, 3);
  assert.match(revoked.stderr, /refuses the token of HF_TOKEN .*Make a new one/);

  await using offline = await startCorral({
    quickstart: false,
    env: hubEnvironment({ HF_HUB_OFFLINE: "1", HF_HOME: join(directory, "empty") }),
  });
  const away = await offline.cli("deploy", "open/tiny");
  assert.notEqual(away.code, 0);
  assert.match(away.stderr, /HF_HUB_OFFLINE/);
});
