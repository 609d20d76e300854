// The two documented bodies, exactly as on their pages (commas added), and the questions the tiny models know:
// whole English sentences on the subject, whatever the seed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answerProblem, questions, type Question } from "./english.ts";
import { json, startCorral, type Corral } from "./harness.ts";

const seeds = Array.from({ length: 20 }, (_, index) => index + 1);
const llama3Body = { messages: [{ role: "user", content: "What even is AGI?" }], max_tokens: 128 };
const llama2Body = {
  prompt: "Hey! How are you doing?",
  max_length: 100,
  temperature: 0.9,
  top_p: 1.0,
  top_k: 10,
  num_return_sequences: 1,
  repetition_penalty: 2.0,
};

interface BasetenAnswer {
  readonly model_id: string;
  readonly model_version_id: string;
  readonly model_output: {
    readonly output: string;
    readonly finish_reason: string;
    readonly run_id: string;
    readonly usage: { readonly prompt_tokens: number; readonly generated_tokens: number };
  };
}
interface CerebriumAnswer {
  readonly run_id: string;
  readonly run_time_ms: number;
  readonly message: string;
  readonly result: readonly { readonly generated_text: string }[];
}

let corral: Corral;
before(async () => {
  corral = await startCorral();
});
after(async () => {
  await corral[Symbol.asyncDispose]();
});

/** Eight at a time: enough to share steps, few enough not to fill the queue. */
async function forEach<Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function deploymentId(name: string): Promise<string> {
  const list = await json<{ items: { id: string; name: string }[] }>(
    await corral.request("/api/v1/deployments"),
  );
  const found = list.items.find((item) => item.name === name);
  assert.ok(found, `no deployment ${name}`);
  return found.id;
}

test("the Llama 3 page's call is answered with whole sentences about AGI, for each of 20 seeds", async () => {
  const id = await deploymentId("corral-tiny-3");
  await forEach(seeds, async (seed) => {
    const response = await corral.post(`/model_versions/${id}/predict`, { ...llama3Body, seed });
    assert.equal(response.status, 200);
    const answer = await json<BasetenAnswer>(response);
    assert.equal(answer.model_version_id, id);
    assert.equal(answer.model_output.finish_reason, "stop");
    const agi = questions.find((question) => question.id === "agi");
    assert.equal(answerProblem(answer.model_output.output, agi?.keywords ?? [], "all"), null);
  });
});

test("the Llama 3 page's call has its four beams, drawn or searched, and is the same with them written out", async () => {
  const id = await deploymentId("corral-tiny-3");
  const output = async (more: object) => {
    const body = { ...llama3Body, seed: 1, ...more };
    const answer = await json<BasetenAnswer>(await corral.post(`/model_versions/${id}/predict`, body));
    return answer.model_output.output;
  };
  for (const more of [{}, { do_sample: false }, { temperature: 1.5, top_p: 1 }]) {
    const page = await output(more);
    assert.equal(page, await output({ ...more, num_beams: 4 }));
    assert.notEqual(page, await output({ ...more, num_beams: 1 }), "one beam says something else here");
  }
});

test("the Llama 2 page's call is answered in its envelope with a whole sentence on how one is, for each of 20 seeds", async () => {
  const question = questions.find((candidate) => candidate.id === "how-are-you");
  assert.ok(question);
  await forEach(seeds, async (seed) => {
    const response = await corral.post("/llamav2-7b-chat-webhook/predict", { ...llama2Body, seed });
    assert.equal(response.status, 200);
    const answer = await json<CerebriumAnswer>(response);
    assert.equal(answer.message, "Ran successfully");
    assert.ok(answer.run_time_ms > 0);
    assert.equal(answer.result.length, 1);
    const text = answer.result[0]?.generated_text ?? "";
    assert.ok(text.startsWith(llama2Body.prompt), text);
    assert.equal(answerProblem(text.slice(llama2Body.prompt.length), question.keywords, "first"), null);
  });
});

test("every spelling and path of the Llama 2 identifiers leads to the same model", async () => {
  const paths = [
    "/llamav2-7b-webhook/predict",
    "/llamav2-7b-chat/predict",
    "/llama2-7b-chat/predict",
    "/llama2-7b-webhook/predict",
    "/v1/p-1a2b3c4d/llamav2-7b-chat/predict",
    "/v4/p-1a2b3c4d/llamav2-7b/predict",
  ];
  const texts = await Promise.all(
    paths.map(async (path) => {
      const response = await corral.post(path, { ...llama2Body, seed: 1 });
      assert.equal(response.status, 200, path);
      return (await json<CerebriumAnswer>(response)).result[0]?.generated_text;
    }),
  );
  assert.equal(new Set(texts).size, 1, texts.join("\n"));
});

const isLong = process.env["CORRAL_LONG_TESTS"] === "1";

interface Asked {
  readonly question: Question;
  readonly messages: readonly { role: string; content: string }[];
  readonly extra?: Readonly<Record<string, unknown>>;
}

const user = (content: string) => ({ role: "user", content });

/** Every held-out paraphrase plainly, with a system prompt, in a second turn, and under a repetition penalty. */
function conversations(): Asked[] {
  return questions.flatMap((question, at) =>
    question.held_out.flatMap((text): Asked[] => {
      const earlier = questions[(at + 5) % questions.length]?.example ?? "Hello!";
      return [
        { question, messages: [user(text)] },
        {
          question,
          messages: [{ role: "system", content: "You answer visitors of a small web site." }, user(text)],
        },
        {
          question,
          messages: [user(earlier), { role: "assistant", content: "I am glad you ask." }, user(text)],
        },
        { question, messages: [user(text)], extra: { repetition_penalty: 2.0 } },
      ];
    }),
  );
}

for (const model of ["corral-tiny-2", "corral-tiny-3"]) {
  test(`${model} answers held-out paraphrases of its 22 questions: plain, after a system prompt, in a second turn`, async () => {
    assert.equal(questions.length, 22);
    const id = await deploymentId(model);
    const problems: string[] = [];
    // A third of them is of each question and each form; `CORRAL_LONG_TESTS` asks all.
    const asked = conversations().filter((_, index) => isLong || index % 3 === 0);
    await forEach(asked, async ({ question, messages, extra }) => {
      const body = { messages, do_sample: false, max_new_tokens: 96, ...extra };
      const response = await corral.post(`/model_versions/${id}/predict`, body);
      const text = (await json<BasetenAnswer>(response)).model_output.output;
      const problem = answerProblem(text, question.keywords, extra === undefined ? "all" : "first");
      if (problem !== null) problems.push(`${JSON.stringify(messages)}: ${problem}`);
    });
    assert.ok(problems.length === 0, `${problems.length} of ${asked.length}:\n${problems.join("\n")}`);
  });
}
