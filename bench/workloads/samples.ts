// Eight samples of one prompt: one call that asks for all of them, against eight calls and against llama-server's own
// way to ask for several.

import { caller, type Turn } from "../call.ts";
import { cpuTime, wallTime } from "../figures.ts";
import { cache, prompt, type Contender, type RoundContext, type Workload } from "../workload.ts";

const sampleCount = 8;

export const samples: Workload = {
  name: "samples",
  question: "What do 8 samples of one prompt of 512 tokens cost?",
  contenders({ quick }) {
    const turnOf = (round: RoundContext, count: number): Turn => ({
      thinkMs: 0,
      ids: prompt(round, quick ? 128 : 512),
      newTokenCount: quick ? 8 : 32,
      sampleCount: count,
      sampling: "top-k",
    });
    const oneCall: Contender["phases"] = (round) => [
      { kind: "calls", name: "samples", callers: [caller([turnOf(round, sampleCount)])] },
    ];
    const eightCalls: Contender["phases"] = (round) => {
      const turn = turnOf(round, 1);
      return [
        {
          kind: "calls",
          name: "samples",
          callers: Array.from({ length: sampleCount }, () => caller([turn])),
        },
      ];
    };
    const server = cache(sampleCount, 768);
    return [
      { name: "corral-engine, num_return_sequences: 8", setUp: "corral-engine", ...server, phases: oneCall },
      { name: "llama-server, n_cmpl: 8", setUp: "llama-server", ...server, phases: oneCall },
      {
        name: "llama-server --kv-unified, n_cmpl: 8",
        setUp: "llama-server --kv-unified",
        ...server,
        phases: oneCall,
      },
      {
        name: "llama-server --kv-unified, 8 calls",
        setUp: "llama-server --kv-unified",
        ...server,
        phases: eightCalls,
      },
    ];
  },
  figures: [wallTime("samples", "all samples done"), cpuTime],
  limitMs: 300_000,
};
