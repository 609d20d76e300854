// Failures that cannot be told as they are: each costs its call and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestCode } from "../../testing/code-worker.ts";

test("a failure that is too long, cannot be read or has no status of an answer fails its call alone", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `import { HttpError } from "@corral/model";
        export async function predict({ what }: { what: string }) {
          if (what === "long") throw new HttpError(400, "x".repeat(2_000_000));
          if (what === "status") return Response.error();
          if (what === "unreadable") throw { toString() { throw new Error("no text"); } };
          if (what === "half") throw new HttpError(400, "x".repeat(700_000));
          return "fine";
        }`,
    },
  });
  const answers = await Promise.all(
    ["long", "status", "unreadable", "half", ""].map((what) => code.call({ what })),
  );
  const [long, status, unreadable, half, fine] = answers;
  for (const answer of [long, status, unreadable]) assert.equal(answer?.failure?.reason, "exception");
  assert.equal(half?.failure?.reason, "http");
  assert.equal(fine?.text, `"fine"`);
  assert.equal(code.worker.restartCount, 0);
});

test("a caller's field whose name is as long as a message costs its caller an answer that is short", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `import { z } from "zod";
        export const input = z.strictObject({ word: z.string() });
        export async function* predict({ word }: { word: string }) { yield word; }`,
    },
  });
  const refused = await code.call({ word: "x", ["y".repeat(1_100_000)]: 1 });
  assert.equal(refused.failure?.reason, "invalid_input");
  assert.equal((await code.call({ word: "x" })).text, "x");
  assert.equal(code.worker.restartCount, 0);
  assert.equal(code.worker.loaded.schemas?.supports_streaming, true);
});
