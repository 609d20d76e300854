// What our own call is answered with, shaped as the text-generation pipeline shapes it. Knows no field of a body.
// Source: transformers 5.23.0, pipelines/text_generation.py, postprocess.

import { padRows, type GeneratedSequence } from "@corral/engine";
import { commonFinishReason, type FinishedPrompt, type PredictCall } from "./dialect.ts";
import { generatedText } from "./generated-text.ts";
import type { ReturnForm } from "./return-form.ts";
import { logprobsOnWire, scoresOnWire } from "./scores-on-wire.ts";

export interface CorralAnswerOptions {
  readonly runId: string;
  readonly returnForm: ReturnForm;
  /** The prompts came as a list, so that events name theirs. */
  readonly areListed: boolean;
  /** A list for each prompt, not one for all. */
  readonly isNested: boolean;
}

export function createCorralAnswer(options: CorralAnswerOptions): Pick<PredictCall, "answer" | "tokenEvent"> {
  const { runId, returnForm, areListed, isNested } = options;

  return {
    answer(run) {
      const groups = isNested ? run.prompts.map((finished) => [finished]) : [run.prompts];
      const rows = groups.map((together) => rowsOf(together, returnForm));
      const result = isNested ? rows : rows.flat();
      const scores = groups.map((together) => scoresOnWire(together.flatMap(({ sequences }) => sequences)));
      const body = {
        run_id: runId,
        run_time_ms: run.runTimeMs,
        result,
        ...(isNested ? nested(scores) : scores[0]),
        usage: run.usage,
        finish_reason: commonFinishReason(run.prompts.flatMap(({ sequences }) => sequences)),
        ...(run.seed === null ? {} : { seed: run.seed }),
        warnings: run.warnings,
        ...explanations(run.prompts, areListed),
      };
      return { body, output: result, headers: {} };
    },
    tokenEvent: ({ prompt, sequence, text, ids, logprobs }) => ({
      ...(areListed ? { prompt } : {}),
      sequence,
      text,
      ids,
      ...(logprobs === undefined ? {} : { logprobs: logprobsOnWire(ids, logprobs) }),
    }),
  };
}

/** Of prompts that came as a list a list, as their lengths differ. */
function explanations(prompts: readonly FinishedPrompt[], areListed: boolean) {
  const explained = prompts.map(({ effectiveParameters }) => effectiveParameters);
  if (explained[0] === undefined) return {};
  return { effective_parameters: areListed ? explained : explained[0] };
}

/** Where they were asked for: one entry for each new id. */
function logprobsOf({ ids, recorded = [] }: GeneratedSequence) {
  const known = recorded.flatMap(({ logprobs }) => logprobs ?? []);
  return known.length === 0 ? {} : { logprobs: logprobsOnWire(ids, known) };
}

/** A list for each prompt under each name. */
function nested(scores: readonly ReturnType<typeof scoresOnWire>[]) {
  const names = Object.keys(scores[0] ?? {}) as (keyof ReturnType<typeof scoresOnWire>)[];
  return Object.fromEntries(names.map((name) => [name, scores.map((one) => one[name])]));
}

/** One row for each sequence; those of one list are equally long where the prompts are. */
function rowsOf(together: readonly FinishedPrompt[], returnForm: ReturnForm) {
  const rows = together.flatMap((finished) => finished.sequences.map((sequence) => ({ finished, sequence })));
  const newIds = rows.map(({ sequence }) => sequence.ids);
  const padded = returnForm === "ids" ? padRows(newIds, together[0]?.padTokenId ?? null) : newIds;
  return rows.map(({ finished, sequence }, index) => ({
    ...(returnForm === "ids"
      ? { generated_token_ids: [...finished.prompt.ids, ...(padded[index] ?? [])] }
      : { generated_text: generatedText(finished, sequence, returnForm === "full_text") }),
    finish_reason: sequence.finishReason,
    ...logprobsOf(sequence),
    generated_tokens: sequence.generatedTokenCount,
  }));
}
