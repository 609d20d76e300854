// Models by name: `corral deploy <identifier>` from nothing to an answer, with a hub on loopback that serves the tiny
// models under the names of Meta's repositories and breaks off a connection; and what a machine lacks, told in one
// sentence each. Through the `corral` command and HTTP alone.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startFakeHub, writeSplitModel, type FakeHub } from "@corral/weights/testing";
import { answerProblem, questions } from "./english.ts";
import { json, repository, startCorral, type Corral } from "./harness.ts";
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

test("a repository by its revision and a directory of one's own are deployed alike, and deleted once nothing uses them", async () => {
  const own = join(corral.home, "models", "my-finetune");
  await writeTinyRepository("corral-tiny-3", own, 1);
  const [byName, ofDirectory] = await Promise.all([
    deploy("open/tiny", "--revision", "v1", "--quantize", "q8_0"),
    deploy(own, "--quantize", "q8_0"),
  ]);
  assert.deepEqual([byName.model_name, ofDirectory.model_name], ["tiny", "my-finetune"]);
  for (const { id } of [byName, ofDirectory]) {
    const body = { prompt: "Hello!", max_new_tokens: 4 };
    const answer = await corral.post(`/api/v1/deployments/${id}/generate`, body);
    assert.equal(answer.status, 200, await answer.text());
  }
  const listed = await corral.cli("weights", "ls", "--output", "json");
  const items = JSON.parse(listed.stdout) as { id: string; source: string; status: string }[];
  assert.equal(items.find(({ source }) => source === own)?.status, "ready");
  const id = items.find(({ source }) => source === "open/tiny@v1")?.id ?? "";
  const refused = await corral.cli("weights", "rm", id);
  assert.match(refused.stderr, /are used by tiny; delete these first \(`corral rm tiny`\)/);
  assert.equal((await corral.request("/api/v1/deployments/tiny", { method: "DELETE" })).status, 204);
  assert.equal((await corral.cli("weights", "rm", id)).code, 0);
  assert.equal((await corral.request(`/api/v1/weights/${id}`)).status, 404);
  assert.ok((await stat(join(directory, "cache"))).isDirectory(), "the hub's cache stays");
});

interface Case {
  readonly on?: Corral;
  readonly args: readonly string[];
  readonly code: number;
  readonly sentence: RegExp;
}

/** Each ends with one sentence on stderr and nothing on stdout. */
async function refuse(cases: readonly Case[]): Promise<void> {
  await Promise.all(
    cases.map(async ({ on = corral, args, code, sentence }) => {
      const ended = await on.cli("deploy", ...args);
      assert.match(ended.stderr, sentence);
      assert.equal(ended.code, code, ended.stderr);
      assert.equal(ended.stdout, "");
    }),
  );
}

test("a model in several GGUF files is joined and answers, and so does the next deployment of it", async () => {
  const place = join(corral.home, "models", "parts");
  await mkdir(place, { recursive: true });
  const weights = join(repository, "models/corral-tiny-3/corral-tiny-3-f16.gguf");
  const [first = ""] = await writeSplitModel(weights, place, "tiny-three", 3);
  for (const name of ["joined", "joined-again"]) {
    const { id } = await deploy(first, "--name", name);
    const response = await corral.post(`/api/v1/deployments/${id}/generate`, {
      prompt: "The mountain",
      max_new_tokens: 5,
    });
    assert.equal(response.status, 200, await response.text());
  }
  await rm(join(place, "tiny-three-00002-of-00003.gguf"));
  const { code, stderr } = await corral.cli("deploy", first, "--name", "cut");
  assert.notEqual(code, 0);
  assert.match(stderr, /tiny-three-00002-of-00003\.gguf/);
});

test("what is missing or wrong is told in one sentence, with what to do", async () => {
  const [tokenless, offline] = await Promise.all(
    [{ HF_TOKEN: "" }, { HF_HUB_OFFLINE: "1" }].map((changes, index) =>
      startCorral({
        quickstart: false,
        env: hubEnvironment({ ...changes, HF_HOME: join(directory, `other-${index}`) }),
      }),
    ),
  );
  assert.ok(tokenless && offline);
  try {
    await refuse([
      {
        args: ["llamav2-7b-chta"],
        code: 4,
        sentence: /no model "llamav2-7b-chta" .*did you mean llamav2-7b-chat/,
      },
      { args: ["open/tiny", "--revision", "nope"], code: 4, sentence: /open\/tiny has no revision nope/ },
      { args: ["open/tiny", "--quantize", "q4km"], code: 2, sentence: /is "q4km"; .*did you mean q4_k_m\?/ },
      {
        args: ["llamav2-13b-chat"],
        code: 3,
        sentence: /-13b-chat-hf is gated.*click "Agree and access repository"/,
      },
      {
        on: tokenless,
        args: ["llamav2-7b-chat"],
        code: 6,
        sentence: /needs the licence llama2 accepted once: read https:.*--accept-license llama2/,
      },
      {
        on: tokenless,
        args: ["llama-3-8b-instruct", "--accept-license"],
        code: 3,
        sentence: /is gated, and no token was sent\. .*set HF_TOKEN/,
      },
      { on: offline, args: ["open/tiny"], code: 4, sentence: /HF_HUB_OFFLINE/ },
    ]);
    hub.revoke(token);
    const sentence = /refuses the token of HF_TOKEN .*Make a new one/;
    await refuse([{ args: ["llamav2-70b-chat"], code: 3, sentence }]);
  } finally {
    await Promise.all([tokenless[Symbol.asyncDispose](), offline[Symbol.asyncDispose]()]);
  }
});
