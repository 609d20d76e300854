// What every dialect turns a body into, and what it turns a finished run back into. One internal call for all
// families; the families' own words stay in their files.

import {
  finishReasons,
  type FieldError,
  type GenerationCaps,
  type FinishReason,
  type Usage,
} from "@corral/contract";
import type { EffectiveParameters, GeneratedSequence, TopScores, Vocabulary } from "@corral/engine";
import type { PreparedPrompt, PromptSource } from "../prompt.ts";

/** What the gateway and the deployment add to a body. */
export interface DialectContext {
  readonly runId: string;
  /** What the caller addressed, for envelopes. */
  readonly modelId: string;
  readonly deploymentId: string;
  readonly query: URLSearchParams;
  /** The caller's `Accept` names `text/event-stream`. */
  readonly acceptsEventStream: boolean;
  /** Nothing of the family's stands around the answer. Default false. */
  readonly isBare?: boolean;
  /** It comes from the queue, and nobody waits for its answer. Default false. */
  readonly isQueued?: boolean;
  /** The model's generation_config.json. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** What the deployment sets over it, by wire names. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Most sequences of one call, and cells of the KV cache that they may take together. */
  readonly maxSequenceCount: number;
  readonly cellCount: number;
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
  /** The model's. */
  readonly vocabulary: Vocabulary;
  /** What a call may cost. Default: `defaultCaps`. */
  readonly caps?: GenerationCaps;
  /** Draft models by name. Default: there are none. */
  readonly draftModels?: readonly string[];
  /** LoRA adapters by name. Default: there are none. */
  readonly adapters?: readonly string[];
  /** Those draft models that did not fit beside the model. Default: none. */
  readonly leftOutDraftModels?: readonly string[];
}

/** `chunks`: OpenAI's, one data line each, and a last one that says that it is the last. */
export type StreamKind = "none" | "events" | "text" | "chunks";

/** The engine's words for a call: `resolveGeneration` takes these. */
export interface GenerationParameters {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly modelConfig: Readonly<Record<string, unknown>>;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
}

export interface PredictCall {
  /** What is to be continued, each in a generation of its own; null where `errors` say why there is none. */
  readonly sources: readonly PromptSource[] | null;
  readonly stream: StreamKind;
  readonly skipSpecialTokens: boolean;
  /** Whether a stop string that ended a text is left out of it. Default false. */
  readonly stripsStopStrings?: boolean;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
  /** Tokenized as a prompt is, it becomes `negative_prompt_ids`. */
  readonly negativePrompt?: PromptSource | null;
  /** Parameters of `generate` → the fields that a caller of this family gives them in. Default: the same names. */
  readonly callersWords?: Readonly<Record<string, string>>;
  /** The answer tells what each parameter came to. Default false. */
  readonly explains?: boolean;
  /** Whether the run's record keeps its text, as the body says; default: as the call's headers say. */
  readonly isStored?: boolean;
  /** A prompt that leaves no room loses its beginning: only where the caller asked for that. Default false. */
  readonly cutsLongPrompts?: boolean;
  /** Some families' lengths depend on the prompt's, or on its prefix, which is counted in it. */
  generationFor(promptTokenCount: number, prefixTokenCount: number): GenerationParameters;
  /** The answer to a run that succeeded. */
  answer(run: FinishedRun): PredictAnswer;
  /** Payload of a `token` event; null: nothing worth an event. */
  tokenEvent(event: TextEvent): Record<string, unknown> | null;
}

export interface TextEvent {
  /** Index of the prompt in the call. */
  readonly prompt: number;
  readonly sequence: number;
  readonly text: string;
  readonly ids: readonly number[];
  /** By id, where they were asked for. */
  readonly logprobs?: readonly TopScores[];
  /** Of the prompt. */
  readonly promptIds: readonly number[];
}

/** What became of one prompt. */
export interface FinishedPrompt {
  readonly prompt: PreparedPrompt;
  /** The prompt and the new text of a sequence, as one text. */
  fullText(sequence: GeneratedSequence): string;
  readonly sequences: readonly GeneratedSequence[];
  /** Where the call explains. */
  readonly effectiveParameters?: EffectiveParameters;
  /** What fills shorter rows; null: nothing is known that could. */
  readonly padTokenId: number | null;
}

export interface FinishedRun {
  /** In the order of the call's sources. */
  readonly prompts: readonly [FinishedPrompt, ...FinishedPrompt[]];
  readonly usage: Usage;
  readonly runTimeMs: number;
  readonly warnings: readonly string[];
  /** The seed of the draws, or null where none were made. */
  readonly seed: number | null;
}

export interface PredictAnswer {
  /** The JSON body; of a stream of chunks the list of its last ones. */
  readonly body: unknown;
  /** What the run's record keeps of it: the answer without the family's envelope. */
  readonly output: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

export type ReadDialect = (body: Readonly<Record<string, unknown>>, context: DialectContext) => PredictCall;

/** One reason for several sequences, the worst: `stop` only where all of them came to an end token. */
export function commonFinishReason(sequences: readonly GeneratedSequence[]): FinishReason {
  const reasons = new Set(sequences.map(({ finishReason }) => finishReason));
  return finishReasons.findLast((reason) => reasons.has(reason)) ?? "stop";
}
