// What a newcomer does first: start, read the two curl lines, paste them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answerProblem, questions } from "./english.ts";
import { runCommand, startCorral, waitUntil } from "./harness.ts";

test("both printed curl lines answer in English when they are pasted as they are", async () => {
  await using corral = await startCorral();
  await waitUntil("the calls are printed", 10_000, () => corral.output().includes("llamav2-7b-chat-webhook"));
  assert.match(corral.output(), /stand-ins?/);
  assert.match(corral.output(), /not Meta's/);
  const commands = corral.output().match(/^curl -X POST (?:.*\\\n)*.*$/gm) ?? [];
  assert.equal(commands.length, 2, corral.output());
  const answers = await Promise.all(
    commands.map(async (command) => {
      const { code, stdout, stderr } = await runCommand("bash", ["-c", command.replace("curl", "curl -sS")]);
      assert.equal(code, 0, stderr);
      return stdout;
    }),
  );
  const [llama3, llama2] = answers.map((answer) => JSON.parse(answer)) as [
    { model_output: { output: string } },
    { result: { generated_text: string }[]; run_id: string },
  ];
  const keywords = (id: string) => questions.find((question) => question.id === id)?.keywords ?? [];
  assert.equal(answerProblem(llama3.model_output.output, keywords("agi"), "all"), null);
  const prompt = "Hey! How are you doing?";
  const said = llama2.result[0]?.generated_text ?? "";
  assert.ok(said.startsWith(prompt));
  assert.equal(answerProblem(said.slice(prompt.length), keywords("how-are-you"), "first"), null);
});
