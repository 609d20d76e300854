import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestCode } from "../../testing/code-worker.ts";

const forms: Readonly<Record<string, string>> = {
  "a module of functions": `
    let base = 0;
    export const load = () => { base = 40; };
    export const preprocess = (input: { n: number }) => input.n;
    export const predict = (n: number) => base + n;
    export const postprocess = (sum: number) => ({ sum });`,
  "a class Model": `
    export class Model {
      #base = 0;
      async load() { this.#base = 40; }
      preprocess(input: { n: number }) { return input.n; }
      predict(n: number) { return this.#base + n; }
      postprocess(sum: number) { return { sum }; }
    }`,
  "a default object of model()": `
    import { model } from "@corral/model";
    import { z } from "zod";
    let base = 0;
    export default model({
      input: z.object({ n: z.number() }),
      output: z.object({ sum: z.number() }),
      load() { base = 40; },
      preprocess: ({ n }) => n,
      predict: (n) => base + n,
      postprocess: (sum) => ({ sum }),
    });`,
};

for (const [form, text] of Object.entries(forms)) {
  test(`${form} is loaded, and its three steps run in their order`, async () => {
    await using code = await startTestCode({ files: { "model/model.ts": text } });
    assert.equal((await code.call({ n: 2 })).text, `{"sum":42}`);
    assert.deepEqual(code.worker.loaded.methods, ["predict"]);
  });
}

test("files beside it are imported, context reaches load, and what it logs has its run", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `
        import { log, secrets } from "@corral/model";
        import { shout } from "./shout.ts";
        let word = "";
        export const load = ({ config }: { config: { word: string } }) => { word = config.word; };
        export async function predict(_: unknown, { runId }: { runId: string }) {
          await null;
          console.log("printed", { runId });
          log.warn("said");
          return { word: shout(word), secret: secrets.get("token"), has: secrets.has("other") };
        }`,
      "model/shout.ts": `export const shout = (text: string): string => text.toUpperCase() + "!";`,
    },
    start: { config: { word: "hey" }, secrets: { token: "t0k" } },
  });
  const answer = await code.call({}, { runId: "run-7" });
  assert.deepEqual(JSON.parse(answer.text), { word: "HEY!", secret: "t0k", has: false });
  const own = code.logLines
    .filter((line) => line["run_id"] === "run-7")
    .map((line) => [line["level"], line["message"]]);
  assert.deepEqual(own, [
    ["info", "printed { runId: 'run-7' }"],
    ["warn", "said"],
  ]);
});

test("schemas of zod are told as JSON schema, and an answer that does not fit is the code's failure", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `
        import { z } from "zod";
        export const input = z.object({ n: z.int().min(1).default(3) });
        export const output = z.number();
        export const predict = ({ n }: { n: number }) => (n === 13 ? "no number" : n);`,
    },
  });
  const { schemas } = code.worker.loaded;
  assert.deepEqual(schemas?.input?.["properties"], {
    n: { default: 3, type: "integer", minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
  });
  assert.equal(schemas?.output?.["type"], "number");
  assert.equal((await code.call({})).text, "3");
  assert.equal((await code.call({ n: 13 })).failure?.reason, "exception");
  const refused = (await code.call({ n: 0 })).failure;
  assert.ok(refused?.reason === "invalid_input");
  assert.equal(refused.errors?.[0]?.pointer, "/n");
});

test("a class by the name of the config is taken, and one that is not there is named", async () => {
  const files = {
    "model/model.ts": `export class Mine { predict() { return 1; } } export const predict = () => 2;`,
  };
  await using code = await startTestCode({ files, start: { class_name: "Mine" } });
  assert.equal((await code.call({})).text, "1");
  await assert.rejects(
    startTestCode({ files, start: { class_name: "Yours" } }),
    /does not export a class Yours, which model_class_name names/,
  );
});

for (const [what, text, expected] of [
  ["has no predict", `export const forecast = 1;`, /exports no predict/],
  ["imports what is not there", `import "./none.ts";\nexport const predict = () => 1;`, /Cannot find module/],
  ["throws while it is read", `\n\nthrow new Error("at once");`, /model\/model\.ts line 3\): Error: at once/],
  [
    "has a schema that is none",
    `export const input = {};\nexport const predict = () => 1;`,
    /must be a schema of zod/,
  ],
] as const) {
  test(`code that ${what} is refused with a sentence`, async () => {
    await assert.rejects(startTestCode({ files: { "model/model.ts": text } }), expected);
  });
}

test("a promise that nobody waits for costs no call, and an error outside of calls is in the log", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `export function predict() { void Promise.reject(new Error("forgotten")); return "fine"; }`,
    },
  });
  assert.equal((await code.call({})).text, `"fine"`);
  assert.equal((await code.call({})).text, `"fine"`);
  assert.ok(code.logLines.some(({ message }) => /nobody waits for: Error: forgotten/.test(String(message))));
});
