// `generate` of transformers on the processor, or on a GPU where CUDA is asked for, with the same threads as a replica and
// random weights of the same shape, which the file of the others tells. What follows `--`: a Python that has it, and the type of its numbers.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkGguf } from "@corral/weights";
import { deviceEnvironment, findFreePort, readSettings, startServer, untilHealthy } from "./entry.ts";
import { announce } from "./target.ts";

const { settings, flags } = readSettings();
const [python = "python3", dtype] = flags;
const { metadata, tensors, vocabularySize } = await checkGguf(settings.model);
const of = (key: string) => Number(metadata.get(`llama.${key}`));
const port = await findFreePort();
const url = `http://127.0.0.1:${port}`;
const options = {
  port,
  threads: settings.threadCount,
  dtype,
  device: settings.device === "cuda" ? "cuda" : "cpu",
  seed: 1,
  config: {
    vocab_size: vocabularySize,
    hidden_size: of("embedding_length"),
    intermediate_size: of("feed_forward_length"),
    num_hidden_layers: of("block_count"),
    num_attention_heads: of("attention.head_count"),
    num_key_value_heads: of("attention.head_count_kv"),
    max_position_embeddings: of("context_length"),
    rope_parameters: { rope_type: "default", rope_theta: of("rope.freq_base") },
    tie_word_embeddings: !tensors.some(({ name }) => name === "output.weight"),
  },
};
mkdirSync(settings.state, { recursive: true });
// Nothing of ours: torch reads its threads from variables as well.
const env = {
  PATH: process.env["PATH"] ?? "",
  HOME: settings.state,
  HF_HUB_OFFLINE: "1",
  ...deviceEnvironment(),
};
const server = fileURLToPath(new URL("generate_server.py", import.meta.url));
startServer(python, [server, JSON.stringify(options)], env);
await untilHealthy(`${url}/health`, {});
announce({ url: `${url}/generate`, headers: {} });
