// A body and its dialect → generations that may be submitted, or every reason why not. Touches no engine loop and
// no response.

import {
  callersPlace,
  checkCap,
  defaultCaps,
  fieldsError,
  parameterError,
  type Dialect,
  type FieldError,
} from "@corral/contract";
import { returnedScoreBytes, returnedScores, sequenceCountOf } from "@corral/engine";
import { setImmediate } from "node:timers/promises";
import { readBaseten } from "./dialects/baseten.ts";
import { errorInCallersWords, inCallersWords } from "./dialects/callers-words.ts";
import { readCerebrium } from "./dialects/cerebrium.ts";
import { readCorral } from "./dialects/corral.ts";
import { readOpenAiChat } from "./dialects/openai-chat.ts";
import { readOpenAiCompletion } from "./dialects/openai-completions.ts";
import type { DialectContext, PredictCall, ReadDialect } from "./dialects/dialect.ts";
import {
  prepareGeneration,
  readNegativePrompt,
  type PreparedGeneration,
  type PreparedOne,
} from "./prepare-generation.ts";
import type { PromptModel, PromptSource } from "./prompt.ts";

/** What a body is read as: a family, or one call of a family that has several. */
export type CallForm = Exclude<Dialect, "openai"> | "openai_chat" | "openai_completion";

const readers: Readonly<Record<CallForm, ReadDialect>> = {
  corral: readCorral,
  baseten: readBaseten,
  cerebrium: readCerebrium,
  openai_chat: readOpenAiChat,
  openai_completion: readOpenAiCompletion,
};

export interface PreparedCall {
  readonly call: PredictCall;
  /** One for each source of the call, in their order. */
  readonly prompts: readonly [PreparedGeneration, ...PreparedGeneration[]];
  readonly warnings: readonly string[];
}

type CallToPrepare = readonly [
  model: PromptModel,
  form: CallForm,
  body: Readonly<Record<string, unknown>>,
  context: DialectContext,
];

/** Fails with the error that lists all bad fields of the body. */
export function prepareCall(...of: CallToPrepare): PreparedCall {
  const steps = preparePromptByPrompt(...of);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** As `prepareCall`; others have their turn between two prompts: each may take 30 ms to tokenize, and a call has 128. */
export async function prepareInTurns(...of: CallToPrepare): Promise<PreparedCall> {
  const steps = preparePromptByPrompt(...of);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await setImmediate();
  }
}

/** Halts between two prompts. */
function* preparePromptByPrompt(
  ...[model, form, body, context]: CallToPrepare
): Generator<undefined, PreparedCall, undefined> {
  const call = readers[form](body, context);
  const words = call.callersWords ?? {};
  // Without a prompt the other parameters are checked all the same, as if it were empty.
  const sources = call.sources ?? [null];
  const areSeveral = sources.length > 1;
  const negativeErrors: FieldError[] = [];
  const negative = readNegativePrompt(model, call, negativeErrors);
  const read: PreparedOne[] = [];
  for (const source of sources) {
    if (read.length > 0) yield;
    read.push(prepareGeneration(model, call, source, context, negative));
  }
  const errors = [
    ...call.errors,
    ...negativeErrors,
    ...read
      .flatMap((one, index) => (areSeveral ? located(one.errors, sources[index] ?? null) : one.errors))
      .map((error) => errorInCallersWords(error, words)),
  ];
  const prompts = read.flatMap(({ prepared }) => prepared ?? []);
  const [first, ...others] = prompts;
  if (first === undefined || prompts.length < read.length || errors.length > 0) {
    throw fieldsError(withoutRepetitions(errors));
  }
  const tooMuch = [
    ...checkBeamStream(first, call),
    ...checkTokens(prompts, context),
    ...checkScoreBytes([first, ...others], model.vocabulary.tokenCount, context),
  ];
  if (tooMuch.length > 0) throw fieldsError(tooMuch.map((error) => errorInCallersWords(error, words)));
  const told = mergeWarnings(read.map((one) => one.warnings)).map((text) => inCallersWords(text, words));
  const warnings = [...call.warnings, ...told];
  return { call, prompts: [first, ...others], warnings };
}

/** Each prompt alone is within the cap; so must all together be. */
function checkTokens(
  prompts: readonly PreparedGeneration[],
  { caps = defaultCaps }: DialectContext,
): FieldError[] {
  const tokenCount = prompts.reduce(
    (sum, { generation }) => sum + sequenceCountOf(generation) * generation.maxLength,
    0,
  );
  const what = `tokens (sequences × prompt and new tokens, over ${prompts.length} prompts)`;
  return checkCap("max_new_tokens", tokenCount, caps.tokenCount, what, callersPlace);
}

/** Which of several beams is the first, and with it every event's sequence, is known at the end alone. */
function checkBeamStream({ generation }: PreparedGeneration, { stream }: PredictCall): FieldError[] {
  const { beams, returnedSequenceCount: count } = generation;
  if (stream === "none" || beams === null || count === 1) return [];
  const message =
    `\`num_return_sequences\` (${count}) above 1 cannot be streamed with \`num_beams\` (${beams.beamCount}): which ` +
    "sequence is the best is known at the end. Leave out `stream`, ask for one sequence, or set `num_beams` to 1.";
  return [parameterError("num_return_sequences", "unsupported_parameter", message)];
}

/** What is returned of several prompts is held together until the answer. */
function checkScoreBytes(
  prompts: PreparedCall["prompts"],
  vocabSize: number,
  { caps = defaultCaps }: DialectContext,
): FieldError[] {
  const bytes = prompts.reduce((sum, { generation }) => sum + returnedScoreBytes(generation, vocabSize), 0);
  const { name, remedy } = returnedScores(prompts[0].generation);
  const what = `bytes of scores over ${prompts.length} prompts (${remedy}, fewer tokens or fewer prompts)`;
  return checkCap(name, bytes, caps.scoreBytes, what, callersPlace);
}

/** What is wrong with a prompt, and not with any field of the body, is where the prompt stands. */
function located(errors: readonly FieldError[], source: PromptSource | null): FieldError[] {
  const pointer = source?.pointer ?? "";
  return errors.map((error) => (error.pointer === "" ? { ...error, pointer } : error));
}

/** A parameter is as wrong for one prompt as for another. */
function withoutRepetitions(errors: readonly FieldError[]): FieldError[] {
  const known = new Map(errors.map((error) => [JSON.stringify(error), error]));
  return [...known.values()].slice(0, mostErrors);
}

const mostErrors = 100;

/** What all prompts are warned of once, the rest with the index of its prompt. */
function mergeWarnings(warnings: readonly (readonly string[])[]): string[] {
  const [first = [], ...others] = warnings;
  if (others.length === 0) return [...first];
  const common = first.filter((warning) => others.every((list) => list.includes(warning)));
  const own = warnings.flatMap((list, index) =>
    list.filter((warning) => !common.includes(warning)).map((warning) => `Prompt ${index}: ${warning}`),
  );
  return [...common, ...own];
}
