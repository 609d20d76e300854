// Several files of one model side by side: what each costs in bytes and time, and what it says of a text. Speeds are
// measured in turns, so that whatever else the machine does meets all of them.

import {
  ServingError,
  type ComparedWeights,
  type ComparisonConfig,
  type ComparisonMessage,
} from "@corral/contract";
import { createStepPlan, type ModelRunner } from "@corral/engine";
import { loadLlama, type Llama } from "@corral/llama";
import { checkGguf, tokenDifference, type CheckedGguf } from "@corral/weights";
import { readFile } from "node:fs/promises";
import { cutWindows, scoreWindows, type ScoredTokens } from "./score-text.ts";
import { differenceOf, median } from "./statistics.ts";

type Compared = Extract<ComparisonMessage, { kind: "compared" }>;

export interface ComparisonOptions {
  readonly signal: AbortSignal;
  /** In milliseconds. */
  readonly now: () => number;
  readonly onTokens: (doneTokens: number, totalTokens: number) => void;
}

interface Opened {
  readonly name: string;
  readonly gguf: CheckedGguf;
  readonly llama: Llama;
  readonly runner: ModelRunner;
}

/** Tokens of a prompt and of an answer whose times are measured; a window that is shorter bounds both. */
const promptLength = 256;
const answerLength = 32;

/**
 * Fails with `weights_missing`, `weights_unreadable` or `weights_unsupported` for a file, with `model_too_large` where
 * memory does not hold all of them at once, and with `invalid_parameter` for a text of no tokens.
 */
export async function compareWeights(
  config: ComparisonConfig,
  options: ComparisonOptions,
): Promise<Compared> {
  const checked = await checkFiles(config);
  // The same for all files, and no longer than one of them was trained for.
  const windowLength = Math.max(
    2,
    checked.reduce(
      (least, { gguf: { contextLength } }) => Math.min(least, (contextLength ?? Infinity) - answerLength),
      config.window_length,
    ),
  );
  using resources = new DisposableStack();
  const opened: Opened[] = [];
  for (const { name, gguf } of checked) {
    options.signal.throwIfAborted();
    const llama = resources.use(await loadLlama({ path: gguf.path, signal: options.signal }));
    const runner = await llama.createRunner({
      slotCount: 1,
      cellCount: windowLength + answerLength,
      maxBatchTokenCount: Math.min(windowLength, 512),
      threadCount: config.thread_count,
    });
    opened.push({ name, gguf, llama, runner: resources.use(runner) });
  }
  const [first] = opened;
  if (first === undefined) throw new TypeError("a comparison has at least one file");
  const text = await readText(config.text);
  const { vocabulary } = first.llama;
  const all = vocabulary.tokenize(text, { addSpecialTokens: false, parseSpecialTokens: false });
  const tokens = all.slice(0, config.token_count);
  // Only where the tokenizer itself would put it.
  const [start = null] = vocabulary.tokenize("", { addSpecialTokens: true, parseSpecialTokens: false });
  const windows = cutWindows(tokens, windowLength, start);
  const [longest] = windows;
  if (longest === undefined)
    throw new ServingError("invalid_parameter", `${config.text} has no two tokens to score.`);

  const scoredTokens = windows.reduce((sum, window) => sum + window.length - 1, 0);
  const scores = await scoreAll(opened, windows, scoredTokens, options);
  const speeds = await measureSpeeds(opened, longest, config, options);
  const reference = scores[0];
  return {
    kind: "compared",
    scored_tokens: scoredTokens,
    text_tokens: all.length,
    files: opened.flatMap(({ name, gguf }, index): ComparedWeights[] => {
      const [own, speed] = [scores[index], speeds[index]];
      if (own === undefined || reference === undefined || speed === undefined) return [];
      const difference = differenceOf(reference, own);
      return [
        {
          name,
          path: gguf.path,
          bytes: gguf.fileBytes,
          file_type: gguf.fileType,
          prompt_tokens_per_second: median(speed.prompt),
          decode_tokens_per_second: median(speed.decode),
          perplexity: difference.perplexity,
          perplexity_change: difference.change,
          perplexity_change_error: difference.changeError,
          same_best_token: difference.sameBest,
        },
      ];
    }),
  };
}

/** All headers before anything is loaded. */
async function checkFiles({ files }: ComparisonConfig) {
  const checked: { readonly name: string; readonly gguf: CheckedGguf }[] = [];
  for (const { name, path } of files) checked.push({ name, gguf: await checkGguf(path) });
  const [first, ...others] = checked;
  for (const { gguf } of others) {
    const difference = await tokenDifference(first?.gguf.path ?? "", gguf.path);
    if (difference !== null)
      throw new ServingError("weights_unsupported", `${gguf.path} is not the same model: ${difference}.`);
  }
  const bytes = checked.reduce((sum, { gguf }) => sum + gguf.fileBytes, 0);
  const free = process.availableMemory();
  if (bytes <= free) return checked;
  throw new ServingError(
    "model_too_large",
    `${checked.length} files of together ${bytes} bytes are compared in turns, and ${free} bytes of memory are free; compare fewer or smaller ones.`,
  );
}

async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((cause: unknown) => {
    throw new ServingError("invalid_parameter", `The text ${path} cannot be read.`, { cause });
  });
}

async function scoreAll(
  opened: readonly Opened[],
  windows: readonly (readonly number[])[],
  scoredTokens: number,
  { onTokens, signal }: ComparisonOptions,
): Promise<ScoredTokens[]> {
  const scores: ScoredTokens[] = [];
  let done = 0;
  for (const { runner } of opened) {
    const scored = await scoreWindows(runner, windows, (count) => {
      signal.throwIfAborted();
      done += count;
      onTokens(done, scoredTokens * opened.length);
    });
    scores.push(scored);
  }
  return scores;
}

interface Speeds {
  /** Tokens per second of each round. */
  readonly prompt: number[];
  readonly decode: number[];
}

/** The order turns round after round; one round before the first warms up and does not count. */
async function measureSpeeds(
  opened: readonly Opened[],
  window: readonly number[],
  { round_count: roundCount }: ComparisonConfig,
  { signal, now }: ComparisonOptions,
): Promise<Speeds[]> {
  const speeds = opened.map((): Speeds => ({ prompt: [], decode: [] }));
  const prompt = window.slice(0, promptLength);
  for (let round = 0; round <= roundCount; round += 1) {
    const order = round % 2 === 0 ? [...opened.keys()] : [...opened.keys()].toReversed();
    for (const index of order) {
      signal.throwIfAborted();
      const runner = opened[index]?.runner;
      if (runner === undefined) continue;
      const times = await measureOnce(runner, prompt, now);
      if (round === 0) continue;
      speeds[index]?.prompt.push((prompt.length * 1_000) / times.promptMs);
      speeds[index]?.decode.push((answerLength * 1_000) / times.decodeMs);
    }
  }
  return speeds;
}

async function measureOnce(runner: ModelRunner, prompt: readonly number[], now: () => number) {
  runner.removeSequence(0);
  const { maxBatchTokenCount } = runner.limits;
  const begin = now();
  for (let start = 0; start < prompt.length; start += maxBatchTokenCount) {
    const tokens = prompt.slice(start, start + maxBatchTokenCount);
    await runner.decode(createStepPlan([{ slot: 0, start, tokens, outputs: [tokens.length - 1] }]));
  }
  const middle = now();
  // Which tokens they are makes no difference to the time.
  for (let step = 0; step < answerLength; step += 1) {
    const tokens = [prompt[step % prompt.length] ?? 0];
    await runner.decode(createStepPlan([{ slot: 0, start: prompt.length + step, tokens, outputs: [0] }]));
  }
  return { promptMs: middle - begin, decodeMs: now() - middle };
}
