import assert from "node:assert/strict";
import { it } from "node:test";
import { lineProgress } from "./progress.ts";

it("a long step tells on lines of its own how far it is, seldom and never the same twice", async () => {
  const lines: string[] = [];
  let nowMs = 0;
  const progress = lineProgress(
    (line) => lines.push(line),
    () => nowMs,
  );
  await progress.step(
    "Preparing",
    async (update) => {
      for (const [at, text] of [
        [1_000, "1 MB"],
        [6_000, "6 MB"],
        [7_000, "7 MB"],
        [12_000, "6 MB"],
        [13_000, "13 MB"],
      ] as const) {
        nowMs = at;
        update(text);
      }
    },
    () => "Prepared",
  );
  assert.deepEqual(lines, ["Preparing …", "6 MB", "13 MB", "Prepared"]);
});
