// What OpenAI's two calls are answered with: whole answers and the chunks of a stream. Knows no field of a body.

import type { OpenAiFinishReason, OpenAiUsage, Usage } from "@corral/contract";
import type { GeneratedSequence, Vocabulary } from "@corral/engine";
import type { DialectContext, FinishedRun, PredictAnswer, TextEvent } from "./dialect.ts";
import type { OpenAiFields } from "./openai-fields.ts";
import { createTokenLog, type LoggedToken, type TokenLog } from "./openai-logprobs.ts";

/** How one of the two calls writes a choice. */
export interface ChoiceForm {
  readonly idPrefix: string;
  readonly object: "chat.completion" | "text_completion";
  readonly chunkObject: "chat.completion.chunk" | "text_completion";
  /** The members of a whole choice beside its index, logprobs and end. */
  whole(text: string): Record<string, unknown>;
  /** The same of a chunk; `isFirst`: nothing of this choice was sent before. */
  part(text: string, isFirst: boolean): Record<string, unknown>;
  logprobs(vocabulary: Vocabulary, tokens: readonly LoggedToken[]): Record<string, unknown>;
}

export interface OpenAiAnswers {
  tokenEvent(event: TextEvent): Record<string, unknown> | null;
  answer(run: FinishedRun): PredictAnswer;
}

/** `echoed`: the prompts' texts where they stand before each text of theirs; null: they do not. */
export function createAnswers(
  form: ChoiceForm,
  { model, streams, includesUsage, keepsOutput, choiceCount, tellsLogprobs }: OpenAiFields,
  { runId, deploymentId, receivedAtMs, vocabulary }: DialectContext,
  echoed: readonly string[] | null = null,
): OpenAiAnswers {
  const begun = new Set<number>();
  /** Of a stream, by index of the choice. */
  const logs = new Map<number, TokenLog>();
  const common = {
    id: form.idPrefix + runId,
    created: Math.floor(receivedAtMs / 1_000),
    model,
    system_fingerprint: deploymentId,
  };

  function chunk(choices: readonly unknown[], usage: OpenAiUsage | null = null): Record<string, unknown> {
    return { ...common, object: form.chunkObject, choices, ...(includesUsage ? { usage } : {}) };
  }
  function partOf(
    prompt: number,
    index: number,
    newText: string,
    tokens: readonly LoggedToken[],
    end: OpenAiFinishReason | null,
  ) {
    const isFirst = !begun.has(index);
    begun.add(index);
    const text = isFirst ? (echoed?.[prompt] ?? "") + newText : newText;
    const logprobs = tokens.length === 0 ? null : form.logprobs(vocabulary, tokens);
    return { index, ...form.part(text, isFirst), logprobs, finish_reason: end };
  }
  function logOf(index: number, promptIds: readonly number[]): TokenLog {
    const log = logs.get(index) ?? createTokenLog(vocabulary, promptIds);
    logs.set(index, log);
    return log;
  }
  function logprobsOf(
    { ids, text, recorded = [], finishReason }: GeneratedSequence,
    promptIds: readonly number[],
  ) {
    const log = createTokenLog(vocabulary, promptIds);
    const known = recorded.flatMap(({ logprobs }) => logprobs ?? []);
    const tokens = log.push(ids, known, text);
    return form.logprobs(vocabulary, [...tokens, ...log.end(finishReason === "stop_sequence")]);
  }
  function wholes(run: FinishedRun) {
    return run.prompts.flatMap((one, prompt) =>
      one.sequences.map((sequence, index) => ({
        index: prompt * choiceCount + index,
        ...form.whole(echoed === null ? sequence.text : one.fullText(sequence)),
        logprobs: tellsLogprobs ? logprobsOf(sequence, one.prompt.ids) : null,
        finish_reason: finishReasonOf(sequence),
      })),
    );
  }

  return {
    tokenEvent({ prompt, sequence, text, ids, promptIds, logprobs = [] }) {
      const index = prompt * choiceCount + sequence;
      const tokens = tellsLogprobs ? logOf(index, promptIds).push(ids, logprobs, text) : [];
      return text === "" && tokens.length === 0 ? null : chunk([partOf(prompt, index, text, tokens, null)]);
    },
    answer(run) {
      const choices = wholes(run);
      const output = keepsOutput === false ? null : choices;
      const usage = usageOf(run.usage);
      const notes = {
        ...(run.seed === null ? {} : { seed: run.seed }),
        ...(run.warnings.length === 0 ? {} : { warnings: run.warnings }),
      };
      if (!streams)
        return { body: { ...common, object: form.object, choices, usage, ...notes }, output, headers: {} };
      const ends = run.prompts.flatMap(({ sequences }, prompt) =>
        sequences.map((sequence, at) => {
          const index = prompt * choiceCount + at;
          const tokens = logs.get(index)?.end(sequence.finishReason === "stop_sequence") ?? [];
          return chunk([partOf(prompt, index, "", tokens, finishReasonOf(sequence))]);
        }),
      );
      const last = ends.pop();
      const chunks = [...ends, { ...last, ...notes }, ...(includesUsage ? [chunk([], usage)] : [])];
      return { body: chunks, output, headers: {} };
    },
  };
}

function usageOf({ prompt_tokens, generated_tokens, cached_tokens }: Usage): OpenAiUsage {
  return {
    prompt_tokens,
    completion_tokens: generated_tokens,
    total_tokens: prompt_tokens + generated_tokens,
    prompt_tokens_details: { cached_tokens },
  };
}

/** Only runs that succeeded are answered, and their sequences ended by themselves or at a limit. */
function finishReasonOf({ finishReason }: GeneratedSequence): OpenAiFinishReason {
  return finishReason === "stop" || finishReason === "stop_sequence" ? "stop" : "length";
}
