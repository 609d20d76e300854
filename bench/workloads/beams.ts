// Beam search with four beams: against transformers on the same processor, against four sequences of our own that need
// no such choice, and against one.

import { caller, greedyTurn, type LoadResult, type Turn } from "../call.ts";
import { counterGrowth, cpuTime } from "../figures.ts";
import { cache, prompt, type Contender, type Figure, type Measured, type Workload } from "../workload.ts";

const beamCount = 4;

export const beams: Workload = {
  name: "beams",
  question: "What does a beam search with 4 beams cost?",
  contenders({ quick }) {
    const phases =
      (name: string, changes: Partial<Turn>): Contender["phases"] =>
      (round) => {
        const turn = greedyTurn(prompt(round, quick ? 32 : 128), quick ? 8 : 64);
        return [{ kind: "calls", name, callers: [caller([{ ...turn, ...changes }])] }];
      };
    const searching = phases("beams", { beamCount });
    // A kept prefix holds an id beside the live sequences.
    const server = { ...cache(beamCount, 256), slotCount: 4 * beamCount };
    return [
      { name: "corral-engine, num_beams: 4", setUp: "corral-engine", ...server, phases: searching },
      {
        name: "corral-engine, 4 sequences",
        setUp: "corral-engine",
        ...server,
        phases: phases("sequences", { sampleCount: beamCount, sampling: "top-k" }),
      },
      {
        name: "corral-engine, num_beams: 1",
        setUp: "corral-engine",
        ...server,
        phases: phases("one sequence", {}),
      },
      { name: "transformers, bf16", setUp: "transformers bfloat16", ...server, phases: searching },
      { name: "transformers, f32", setUp: "transformers float32", ...server, phases: searching },
    ];
  },
  figures: [
    { name: "time of the call", unit: "ms", better: "lower", value: (measured) => only(measured).wallMs },
    {
      name: "generated positions, those of all beams",
      unit: "/s",
      better: "higher",
      value(measured) {
        const { wallMs, calls, name } = only(measured);
        const tokens = calls.reduce((sum, { generatedTokens }) => sum + generatedTokens, 0);
        // Of beams only the best is returned.
        const positions = name === "beams" ? tokens * beamCount : tokens;
        return positions / (wallMs / 1_000);
      },
    },
    cpuTime,
    hostTime(
      "time beside decode per step",
      "ms",
      ({ host_seconds, steps }) => (1_000 * host_seconds) / steps,
    ),
    hostTime(
      "time beside decode",
      "% of decode",
      ({ host_seconds, decode_seconds }) => (100 * host_seconds) / decode_seconds,
    ),
  ],
  limitMs: 600_000,
  readsLoad: true,
};

function hostTime(
  name: string,
  unit: string,
  of: (grown: Record<"host_seconds" | "decode_seconds" | "steps", number>) => number,
): Figure {
  return {
    name,
    unit,
    better: "lower",
    value(measured) {
      const { name: phase } = only(measured);
      const grown = counterGrowth(measured.loads[phase], ["host_seconds", "decode_seconds", "steps"]);
      return "skipped" in grown ? grown : of(grown);
    },
  };
}

/** Each contender has one phase. */
function only({ phases }: Measured): LoadResult & { readonly name: string } {
  const [entry] = Object.entries(phases);
  if (entry === undefined) throw new TypeError("no phase was measured");
  const [name, result] = entry;
  return { ...result, name };
}
