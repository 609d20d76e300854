// More people in conversation than the KV cache has room for: each sends its whole history, thinks, and goes on.

import { caller, greedyTurn } from "../call.ts";
import { cpuTime, throughput, timeToFirstToken } from "../figures.ts";
import { cache, prefixSetUps, prompt, versus, type Workload } from "../workload.ts";

const userCount = 64;
const residentCount = 16;
const messageLength = 60;
const replyLength = 24;
const meanThinkMs = 4_000;

export const chat: Workload = {
  name: "chat",
  question: "How long do 64 chat users wait for a first token where the cache holds 16 of them?",
  contenders({ quick }) {
    // Three turns fill a slot of 256 tokens, so that the cells are those of 16 whole conversations.
    const turnCount = quick ? 2 : 3;
    const userCountHere = quick ? userCount / 4 : userCount;
    const server = cache(
      quick ? residentCount / 4 : residentCount,
      turnCount * (messageLength + replyLength),
    );
    return versus([...prefixSetUps, "llama-server --cache-ram 0"], {
      ...server,
      phases(round) {
        const callers = Array.from({ length: userCountHere }, () =>
          caller(
            Array.from({ length: turnCount }, (_, turn) => ({
              ...greedyTurn(prompt(round, messageLength), replyLength),
              thinkMs: turn === 0 ? 0 : round.random.exponential(meanThinkMs),
            })),
            { startMs: round.random.next() * meanThinkMs },
          ),
        );
        return [{ kind: "calls", name: "chat", callers }];
      },
    });
  },
  figures: [
    timeToFirstToken("chat", 0.95),
    timeToFirstToken("chat", 0.5),
    throughput("chat"),
    cpuTime,
    {
      name: "prompt tokens from the cache",
      unit: "%",
      better: null,
      value({ phases }) {
        const calls = phases["chat"]?.calls ?? [];
        const sum = (of: (call: (typeof calls)[number]) => number) =>
          calls.reduce((total, call) => total + of(call), 0);
        return (100 * sum(({ cachedTokens }) => cachedTokens)) / sum(({ promptTokens }) => promptTokens);
      },
    },
  ],
  limitMs: 300_000,
};
