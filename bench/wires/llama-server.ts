// llama-server's `/completion`. Source: llama.cpp v0.5.0, tools/server/README.md, server-schema.cpp, server-task.cpp.

import type { Sampling } from "../call.ts";
import { nothing, type Wire } from "./wire.ts";

/** Only the samplers that are asked for, in our order; the others of its default chain would only cost it time. */
const parameters: Readonly<Record<Sampling, Readonly<Record<string, unknown>>>> = {
  greedy: { samplers: ["top_k"], top_k: 1, temperature: 0 },
  "top-k": { samplers: ["top_k", "temperature"], top_k: 50, temperature: 1, seed: 1 },
  warped: {
    samplers: ["penalties", "temperature", "top_k", "top_p"],
    repeat_penalty: 1.1,
    repeat_last_n: 8_192,
    temperature: 1,
    top_k: 50,
    top_p: 0.95,
    seed: 1,
  },
};

interface CompletionData {
  readonly error?: unknown;
  readonly stop?: boolean;
  readonly tokens?: readonly number[];
  readonly tokens_predicted?: number;
  readonly tokens_evaluated?: number;
  readonly timings?: { readonly cache_n?: number };
}

export const llamaServerWire: Wire = {
  headers: () => ({}),
  body({ ids, newTokenCount, sampleCount, sampling, beamCount = 1 }) {
    if (beamCount > 1) throw new TypeError("llama-server has no beam search");
    return {
      prompt: ids,
      n_predict: newTokenCount,
      stream: true,
      return_tokens: true,
      cache_prompt: true,
      ...parameters[sampling],
      ...(sampleCount === 1 ? {} : { n_cmpl: sampleCount }),
    };
  },
  read(_name, data) {
    const event = data as CompletionData;
    if (event.error !== undefined) return { ...nothing, error: JSON.stringify(event.error) };
    if (event.stop !== true) return { ...nothing, ids: event.tokens ?? [] };
    const end = {
      promptTokens: event.tokens_evaluated ?? 0,
      cachedTokens: event.timings?.cache_n ?? 0,
      generatedTokens: event.tokens_predicted ?? 0,
    };
    return { ...nothing, end };
  },
};
