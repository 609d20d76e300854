// A prefix that was computed before a restart: what is left to wait for after it.

import { caller, greedyTurn } from "../call.ts";
import { cache, prompt, type Measured, type Phase, type RoundContext, type Workload } from "../workload.ts";

const ownLength = 16;

export const restart: Workload = {
  name: "restart",
  question: "After a restart, how long does a known prefix of 2,048 tokens take to its first token?",
  contenders({ quick }) {
    const server = cache(1, 2_048 + 256);
    const known = (round: RoundContext) => prompt(round, quick ? 512 : 2_048);
    const call = (name: string, ids: readonly number[]): Phase => ({
      kind: "calls",
      name,
      callers: [caller([greedyTurn(ids, 4)])],
    });
    const slotFile = { filename: "prefix.bin" };
    return [
      {
        name: "corral-engine, restarted",
        setUp: "corral-engine",
        ...server,
        phases(round) {
          const prefix = known(round);
          return [
            call("before", [...prefix, ...prompt(round, ownLength)]),
            { kind: "restart" },
            call("after", [...prefix, ...prompt(round, ownLength)]),
          ];
        },
      },
      {
        name: "corral-engine, recomputing",
        setUp: "corral-engine",
        ...server,
        phases: (round) => [call("after", [...known(round), ...prompt(round, 2 * ownLength)])],
      },
      {
        name: "llama-server, slot saved and restored",
        setUp: "llama-server",
        ...server,
        phases(round) {
          const prefix = known(round);
          return [
            call("before", [...prefix, ...prompt(round, ownLength)]),
            { kind: "request", name: "save", path: "/slots/0?action=save", body: slotFile },
            { kind: "restart" },
            { kind: "request", name: "restore", path: "/slots/0?action=restore", body: slotFile },
            call("after", [...prefix, ...prompt(round, ownLength)]),
          ];
        },
      },
    ];
  },
  figures: [
    {
      name: "time to first token, restoring included",
      unit: "ms",
      better: "lower",
      value(measured) {
        const after = measured.phases["after"]?.calls[0];
        const restored = "before" in measured.phases;
        if (restored && after?.cachedTokens === 0) return { skipped: notSupported };
        return (measured.phases["restore"]?.wallMs ?? 0) + (after?.eventMs[0] ?? Number.NaN);
      },
    },
    {
      name: "prompt tokens from the cache",
      unit: "",
      better: null,
      value: ({ phases }: Measured) => phases["after"]?.calls[0]?.cachedTokens ?? 0,
    },
  ],
  limitMs: 120_000,
};

const notSupported = "not supported by this target yet: no token came from the cache after the restart";
