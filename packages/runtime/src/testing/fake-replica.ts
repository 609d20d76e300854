// A replica's process without weights, for tests and for measuring everything but the model:
// `fake-replica.ts --config FILE [--decode-ms N]`. A decode takes libuv's only pool thread for N ms, as a real one does.

import { pbkdf2, pbkdf2Sync } from "node:crypto";
import { parseArgs, promisify } from "node:util";
import { runProcess } from "../process.ts";
import { createFakeLoadedModel } from "./fake-loaded-model.ts";

const options = { config: { type: "string" }, "decode-ms": { type: "string" } } as const;
const work = promisify(pbkdf2);

await runProcess(
  () => parseArgs({ options }).values.config,
  ({ limits }) => {
    const decodeMs = Number(parseArgs({ options }).values["decode-ms"] ?? 0);
    const rounds = decodeMs === 0 ? 0 : Math.max(1, Math.round(decodeMs * roundsPerMs()));
    const contextLength = limits.context_length ?? 4_096;
    const model = createFakeLoadedModel({
      contextLength,
      slotCount: limits.slot_count,
      cellCount: limits.cell_count ?? Math.max(contextLength, 16_384),
      maxBatchTokenCount: limits.max_batch_tokens,
      ...(rounds === 0
        ? {}
        : { beforeDecode: async () => void (await work("key", "salt", rounds, 32, "sha256")) }),
    });
    return Promise.resolve(model);
  },
);

function roundsPerMs(): number {
  const rounds = 20_000;
  const startedAt = performance.now();
  pbkdf2Sync("key", "salt", rounds, 32, "sha256");
  return rounds / (performance.now() - startedAt);
}
