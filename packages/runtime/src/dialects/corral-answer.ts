// What our own call is answered with, shaped as the text-generation pipeline shapes it. Knows no field of a body.
// Source: transformers 5.23.0, pipelines/text_generation.py, postprocess.

import { padRows, type GeneratedSequence } from "@corral/engine";
import { beamsOnWire, type BeamReturns } from "./beams-on-wire.ts";
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
  /** Null: nothing is told of beams. */
  readonly beamReturns: BeamReturns | null;
}

export function createCorralAnswer(options: CorralAnswerOptions): Pick<PredictCall, "answer" | "tokenEvent"> {
  const { runId, returnForm, areListed, isNested, beamReturns } = options;

  return {
    answer(run) {
      const groups = isNested ? run.prompts.map((finished) => [finished]) : [run.prompts];
      const rows = groups.map((together) => rowsOf(together, returnForm));
      const result = isNested ? rows : rows.flat();
      const details = groups.map((together) => detailsOf(together, beamReturns));
      const body = {
        run_id: runId,
        run_time_ms: run.runTimeMs,
        result,
        ...(isNested ? nested(details) : details[0]),
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

/** What stands beside the rows of one list: scores, and what beam search has to say. */
function detailsOf(together: readonly FinishedPrompt[], beamReturns: BeamReturns | null): Details {
  const prompts = together.map(({ sequences }) => sequences);
  return { ...beamsOnWire(prompts, beamReturns), ...scoresOnWire(prompts.flat()) };
}

type Details = Readonly<Record<string, unknown>>;

/** A list for each prompt under each name. */
function nested(details: readonly Details[]): Details {
  const names = Object.keys(details[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, details.map((one) => one[name])]));
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
