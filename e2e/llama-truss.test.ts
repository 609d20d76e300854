// The classic Llama in Python, with the packages that PyPI has: the example as it is, and one as it was written for
// Truss in 2024. A tiny Llama stands behind the repositories' names. Minutes, network and 6 GB of disk.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startFakeHub, type FakeHub } from "@corral/weights/testing";
import { json, repository, runCommand, startCorral, type Corral } from "./harness.ts";
import { writeTinyRepository } from "./tiny-repository.ts";

const isLong = process.env["CORRAL_LONG_TESTS"] === "1";
const python = await runCommand("python3", ["--version"]).catch(() => ({ code: 1 }));
const skip = !isLong
  ? "installs PyTorch, which takes minutes; CORRAL_LONG_TESTS=1 runs it"
  : python.code === 0
    ? false
    : "there is no Python";

const placeholder = "your-hf-access-token";
/** The calls of transformers that the Llama directories of truss-examples make, and what their configs ask for. */
const oldConfig = `model_name: Old Llama
python_version: py310
requirements: [accelerate, einops, torch, transformers]
resources: {accelerator: A100, use_gpu: true}
secrets: {hf_access_token: ${placeholder}}
spec_version: 2.0
`;
const oldModel = `
from threading import Thread
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, TextIteratorStreamer

NAME = "meta-llama/Meta-Llama-3-8B-Instruct"

class Model:
    def __init__(self, **kwargs):
        self.token = kwargs["secrets"]["hf_access_token"]

    def load(self):
        self.tokenizer = AutoTokenizer.from_pretrained(NAME, use_auth_token=self.token)
        self.model = AutoModelForCausalLM.from_pretrained(
            NAME, device_map="auto", torch_dtype=torch.float16, use_auth_token=self.token
        )

    def predict(self, request):
        text = self.tokenizer.apply_chat_template(request["messages"], tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text, return_tensors="pt")["input_ids"].to("cuda")
        ends = [self.tokenizer.eos_token_id, self.tokenizer.convert_tokens_to_ids("<|eot_id|>")]
        chosen = {"max_length": 200, "do_sample": False, "eos_token_id": ends}
        if not request.get("stream", True):
            with torch.no_grad():
                return {"output": self.tokenizer.decode(self.model.generate(input_ids=ids, **chosen)[0])}
        streamer = TextIteratorStreamer(self.tokenizer)
        asked = {"input_ids": ids, "generation_config": GenerationConfig(**chosen), "streamer": streamer}
        Thread(target=self.model.generate, kwargs=asked).start()
        return (piece for piece in streamer)
`;

let corral: Corral;
let hub: FakeHub;
let directory: string;
before(async () => {
  if (skip !== false) return;
  directory = await mkdtemp(join(tmpdir(), "corral-llama-truss-"));
  const tiny = join(directory, "tiny");
  await writeTinyRepository("corral-tiny-3", tiny, 1);
  const gated = { directory: tiny, gated: "auto" as const, access: ["hf_operator", placeholder] };
  hub = await startFakeHub({
    repositories: { "meta-llama/Llama-3.2-1B-Instruct": gated, "meta-llama/Meta-Llama-3-8B-Instruct": gated },
  });
  const env = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_operator", HF_HOME: join(directory, "hf") };
  corral = await startCorral({ quickstart: false, env });
});
after(async () => {
  if (skip !== false) return;
  await corral[Symbol.asyncDispose]();
  await hub.close();
  await rm(directory, { recursive: true, force: true });
});

const messages = [{ role: "user", content: "What is beam search?" }];

test("examples/llama-truss answers as it is, whole and streamed", { skip }, async () => {
  const copy = join(directory, "llama-truss");
  await cp(join(repository, "examples/llama-truss"), copy, { recursive: true });
  const pushed = await corral.cli("push", copy);
  assert.equal(pushed.code, 0, pushed.stderr);
  const body = { messages, max_tokens: 60, do_sample: false };
  const whole = await json<{ model_output: { output: string } }>(
    await corral.post("/models/llama-truss/predict", body),
  );
  assert.match(whole.model_output.output, /^Beam search [^<]*\.$/);
  const streamed = await corral.post("/models/llama-truss/predict", { ...body, stream: true });
  assert.equal(await streamed.text(), whole.model_output.output);
});

test(
  "code of 2024 that asks for cuda, float16 and use_auth_token runs on the processor",
  { skip },
  async () => {
    const path = join(directory, "old");
    await mkdir(join(path, "model"), { recursive: true });
    await writeFile(join(path, "config.yaml"), oldConfig);
    await writeFile(join(path, "model/model.py"), oldModel);
    const pushed = await corral.cli("push", path);
    assert.equal(pushed.code, 0, pushed.stderr);
    const whole = await json<{ model_output: { output: string } }>(
      await corral.post("/models/old-llama/predict", { messages, stream: false }),
    );
    assert.match(whole.model_output.output, /assistant<\|end_header_id\|>\n\nBeam search /);
    const streamed = await (await corral.post("/models/old-llama/predict", { messages })).text();
    assert.match(streamed, /^<\|begin_of_text\|>.*assistant<\|end_header_id\|>\n\nBeam search /s);
    const { stdout } = await corral.cli("logs", "old-llama", "--tail", "1000");
    assert.match(stdout, /resources\.accelerator asks for A100/);
    assert.match(stdout, /asks PyTorch for the device \\*"cuda\\*", and there is none/);
    assert.match(stdout, /transformers<5 is installed/);
  },
);
