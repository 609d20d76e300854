// Every type that can be asked for, against llama.cpp's own tool and against what the model said before.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createStepPlan } from "@corral/engine";
import { isServingError, quantizations, type Quantization, type TensorTypeName } from "@corral/contract";
import { checkGguf, readImportanceMatrix } from "@corral/weights";
import { loadLlama, planQuantization, quantize } from "./index.ts";
import { writeDoubledModel } from "./testing/doubled-model.ts";
import { missingTinyModels, tinyModelPath } from "./testing/tiny-models.ts";

interface RecordedCase {
  readonly model: string;
  readonly quantization: Quantization;
  readonly output_type?: TensorTypeName;
  readonly token_embedding_type?: TensorTypeName;
  readonly importance_matrix?: string;
  readonly bytes: number;
  readonly sha256: string;
}

const oracle = fileURLToPath(new URL("../test-data/oracle/", import.meta.url));
const { cases, origin } = JSON.parse(readFileSync(join(oracle, "quantize.json"), "utf8")) as {
  readonly cases: readonly RecordedCase[];
  readonly origin: { readonly platform: string };
};
const isRecordedHere = origin.platform === `${process.platform}-${process.arch}`;

/** Each takes seconds: their codes are searched for. */
const isSlow = (quantization: Quantization) => quantization.startsWith("iq");
const isLong = process.env["CORRAL_LONG_TESTS"] === "1";

const prompt = "Once there was a small town by the river, and in it";
const generatedCount = 12;

describe("quantisation", { skip: missingTinyModels() }, () => {
  const place = mkdtempSync(join(tmpdir(), "corral-quantize-"));
  after(() => rmSync(place, { recursive: true, force: true }));
  const doubled = join(place, "doubled.gguf");
  const target = join(place, "out.gguf");
  let expected: Continuation;
  before(async () => {
    await writeDoubledModel(doubled);
    expected = await continueText(doubled);
  });

  const sourceOf = (model: string) =>
    model === "doubled" ? doubled : tinyModelPath(model as "corral-tiny-2" | "corral-tiny-3");

  async function quantizeAs(recorded: Omit<RecordedCase, "bytes" | "sha256">) {
    const source = sourceOf(recorded.model);
    const { tensors } = await checkGguf(source);
    const matrix = recorded.importance_matrix;
    return await quantize({
      source,
      target,
      quantization: recorded.quantization,
      outputType: recorded.output_type,
      tokenEmbeddingType: recorded.token_embedding_type,
      importanceMatrix:
        matrix === undefined ? undefined : await readImportanceMatrix(join(oracle, matrix), tensors),
      threadCount: 1,
    });
  }

  test("every type has been recorded", () => {
    const recorded = new Set(cases.map(({ quantization }) => quantization));
    assert.deepEqual(
      quantizations.filter((quantization) => !recorded.has(quantization)),
      [],
    );
  });

  test("a doubled model says what the original says", async () => {
    const { ids } = await continueText(tinyModelPath("corral-tiny-2"));
    assert.deepEqual(expected.ids, ids);
  });

  for (const recorded of cases) {
    const { model, quantization, output_type, token_embedding_type, importance_matrix } = recorded;
    const changes = [
      output_type && `output ${output_type}`,
      token_embedding_type && `embedding ${token_embedding_type}`,
      importance_matrix && "importance matrix",
    ].filter((change) => change !== undefined);
    const title = [`${model} as ${quantization}`, ...changes].join(", ");

    const skip = !isLong && isSlow(quantization) && "takes seconds; CORRAL_LONG_TESTS=1 runs it";
    test(`${title}: the file of llama-quantize, which loads and goes on as before`, { skip }, async () => {
      const plan = await quantizeAs(recorded);
      const made = readFileSync(target);
      assert.equal(made.length, recorded.bytes);
      // Processors of another kind round otherwise.
      if (isRecordedHere) assert.equal(createHash("sha256").update(made).digest("hex"), recorded.sha256);
      const { fileType, tensors } = await checkGguf(target);
      const types = new Map(tensors.map(({ name, type }) => [name, type]));
      assert.equal(fileType?.toLowerCase(), quantization.replace("_moe", ""));
      assert.deepEqual(
        Object.fromEntries(types),
        Object.fromEntries(plan.tensors.map(({ name, to }) => [name, to])),
      );
      if (output_type !== undefined) assert.equal(types.get("output.weight"), output_type.toUpperCase());
      if (token_embedding_type !== undefined)
        assert.equal(types.get("token_embd.weight"), token_embedding_type.toUpperCase());
      if (model !== "doubled") return;
      const found = await continueText(target, expected.ids);
      assert.ok(
        found.logProbability > expected.logProbability - toleranceOf(quantization),
        `${found.logProbability} against ${expected.logProbability}`,
      );
      if (["f32", "f16", "bf16", "q8_0"].includes(quantization)) assert.deepEqual(found.ids, expected.ids);
    });
  }
});

/** How much less probable the original's own continuation may become, in nats a token. */
function toleranceOf(quantization: Quantization): number {
  const bits = Number(/\d/.exec(quantization)?.[0] ?? 16);
  if (quantization === "q1_0" || quantization.startsWith("tq") || quantization === "q2_0") return 9;
  return { 1: 6, 2: 4, 3: 1, 4: 0.5, 5: 0.3, 6: 0.2, 8: 0.1 }[bits] ?? 0.1;
}

interface Continuation {
  readonly ids: readonly number[];
  /** Mean of the given or chosen tokens, natural logarithm. */
  readonly logProbability: number;
}

/** Greedy, or along `given`; `ids` are the best tokens of each step either way. */
async function continueText(path: string, given?: readonly number[]): Promise<Continuation> {
  using llama = await loadLlama({ path });
  using runner = await llama.createRunner({
    slotCount: 1,
    cellCount: 256,
    threadCount: 1,
    precision: "reference",
  });
  let tokens = llama.vocabulary.tokenize(prompt, { addSpecialTokens: true, parseSpecialTokens: false });
  const ids: number[] = [];
  let sum = 0;
  for (let step = 0, start = 0; step < generatedCount; step += 1) {
    const outputs = await runner.decode(
      createStepPlan([{ slot: 0, start, tokens, outputs: [tokens.length - 1] }]),
    );
    const logits = outputs.logits(0);
    const best = logits.indexOf(Math.max(...logits));
    const next = given?.[step] ?? best;
    ids.push(best);
    sum += logProbabilityOf(logits, next);
    start += tokens.length;
    tokens = [next];
  }
  return { ids, logProbability: sum / generatedCount };
}

function logProbabilityOf(logits: Float32Array, id: number): number {
  const most = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return logits[id]! - most - Math.log(sum);
}

describe("what cannot be quantised", { skip: missingTinyModels() }, () => {
  const place = mkdtempSync(join(tmpdir(), "corral-quantize-"));
  after(() => rmSync(place, { recursive: true, force: true }));
  const source = tinyModelPath("corral-tiny-2");
  const refused = async (work: Promise<unknown>, code: string, reason: RegExp) => {
    const error = await work.then(
      () => assert.fail("it was not refused"),
      (thrown: unknown) => thrown,
    );
    assert.ok(isServingError(error), String(error));
    assert.match(error.message, reason);
    assert.equal(error.code, code);
  };

  test("types of few bits are refused without an importance matrix", async () => {
    for (const quantization of ["iq1_s", "iq2_xxs", "q2_k_s"] as const)
      await refused(
        planQuantization({ source, quantization }),
        "missing_parameter",
        new RegExp(`${quantization} needs an importance_matrix`),
      );
  });

  test("weights that are quantised already are refused, unless nothing changes", async () => {
    const small = join(place, "small.gguf");
    await quantize({ source, target: small, quantization: "q8_0" });
    await refused(
      planQuantization({ source: small, quantization: "q4_0" }),
      "weights_unsupported",
      /quantised already \(Q8_0\)/,
    );
    const { tensors } = await planQuantization({ source: small, quantization: "q8_0" });
    assert.ok(tensors.every(({ from, to }) => from === to));
  });

  test("a type whose blocks do not fit the rows is refused, because llama.cpp would end the process", async () => {
    await refused(
      planQuantization({ source, quantization: "q8_0", outputType: "q6_k" }),
      "invalid_parameter",
      /output_type is q6_k, but the rows of output\.weight have 128 elements/,
    );
    await refused(
      planQuantization({ source, quantization: "q8_0", tokenEmbeddingType: "q4_k" }),
      "invalid_parameter",
      /token_embedding_type is q4_k, but the rows of token_embd\.weight/,
    );
  });

  test("one matrix for embedding and output has one type, with every recipe", async () => {
    const tied = tinyModelPath("corral-tiny-3");
    await refused(
      planQuantization({
        source: tied,
        quantization: "q8_0",
        outputType: "q5_0",
        tokenEmbeddingType: "q4_0",
      }),
      "invalid_parameter",
      /has one matrix for both/,
    );
    for (const quantization of ["f16", "q8_0"] as const) {
      const { tensors } = await planQuantization({ source: tied, quantization, outputType: "q5_0" });
      assert.equal(tensors.find(({ name }) => name === "token_embd.weight")?.to, "Q5_0");
    }
  });

  test("an importance matrix of another model is refused", async () => {
    const { tensors } = await checkGguf(source);
    await refused(
      readImportanceMatrix(join(oracle, "doubled.imatrix.gguf"), tensors),
      "weights_unreadable",
      /256 values for .*, which has 128 columns: it is another model's/,
    );
    await refused(
      readImportanceMatrix(source, tensors),
      "weights_unreadable",
      /its general\.type is .*, not "imatrix"/,
    );
  });

  test("progress rises to the size of the file", async () => {
    const done: number[] = [];
    let total = 0;
    const target = join(place, "progress.gguf");
    await quantize({
      source,
      target,
      quantization: "iq4_nl",
      onProgress(doneBytes, totalBytes) {
        done.push(doneBytes);
        total = totalBytes;
      },
    });
    assert.deepEqual(
      done,
      done.toSorted((one, other) => one - other),
    );
    if (done.length > 0) assert.ok(Math.abs(total - readFileSync(target).length) < 1_000);
  });
});
