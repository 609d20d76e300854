// A replica's own dialect. Source: packages/runtime/src/dialects/corral.ts, packages/runtime/src/event-stream.ts.

import { randomUUID } from "node:crypto";
import { forwardedHeaders } from "@corral/contract";
import type { Sampling } from "../call.ts";
import { nothing, type Wire } from "./wire.ts";

const parameters: Readonly<Record<Sampling, Readonly<Record<string, unknown>>>> = {
  greedy: { do_sample: false },
  "top-k": { do_sample: true, temperature: 1, top_k: 50, top_p: 1, seed: 1 },
  warped: { do_sample: true, temperature: 1, top_k: 50, top_p: 0.95, repetition_penalty: 1.1, seed: 1 },
};

interface TokenData {
  readonly ids: readonly number[];
}

interface DoneData {
  readonly usage: {
    readonly prompt_tokens: number;
    readonly cached_tokens: number;
    readonly generated_tokens: number;
  };
}

export const corralWire: Wire = {
  headers: (key) => ({
    [forwardedHeaders.runId]: randomUUID(),
    [forwardedHeaders.dialect]: "corral",
    [forwardedHeaders.project]: "bench",
    ...(key === null ? {} : { [forwardedHeaders.key]: key }),
  }),
  body: ({ ids, newTokenCount, sampleCount, sampling, beamCount = 1 }) => ({
    input_ids: ids,
    max_new_tokens: newTokenCount,
    return_full_text: false,
    stream: true,
    ...parameters[sampling],
    ...(sampleCount === 1 ? {} : { num_return_sequences: sampleCount }),
    ...(beamCount === 1 ? {} : { num_beams: beamCount }),
  }),
  read(name, data) {
    if (name === "token") return { ...nothing, ids: (data as TokenData).ids };
    if (name === "error") return { ...nothing, error: JSON.stringify(data) };
    if (name !== "done") return nothing;
    const { prompt_tokens, cached_tokens, generated_tokens } = (data as DoneData).usage;
    const end = {
      promptTokens: prompt_tokens,
      cachedTokens: cached_tokens,
      generatedTokens: generated_tokens,
    };
    return { ...nothing, end };
  },
};
