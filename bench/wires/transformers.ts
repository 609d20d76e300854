// The server of bench/targets/generate_server.py, which answers with one event when a call is done.

import type { Sampling } from "../call.ts";
import { nothing, type Wire } from "./wire.ts";

const parameters: Readonly<Record<Sampling, Readonly<Record<string, unknown>>>> = {
  greedy: { do_sample: false },
  "top-k": { do_sample: true, temperature: 1, top_k: 50, top_p: 1 },
  warped: { do_sample: true, temperature: 1, top_k: 50, top_p: 0.95, repetition_penalty: 1.1 },
};

interface Answer {
  readonly error?: string;
  readonly ids?: readonly number[];
  readonly prompt_tokens?: number;
  readonly generated_tokens?: number;
}

export const transformersWire: Wire = {
  headers: () => ({}),
  body: ({ ids, newTokenCount, sampleCount, sampling, beamCount = 1 }) => ({
    input_ids: ids,
    seed: 1,
    parameters: {
      ...parameters[sampling],
      max_new_tokens: newTokenCount,
      num_beams: beamCount,
      num_return_sequences: sampleCount,
    },
  }),
  read(_name, data) {
    const { error, ids = [], prompt_tokens = 0, generated_tokens = 0 } = data as Answer;
    if (error !== undefined) return { ...nothing, error };
    return {
      ...nothing,
      ids,
      end: { promptTokens: prompt_tokens, cachedTokens: 0, generatedTokens: generated_tokens },
    };
  },
};
