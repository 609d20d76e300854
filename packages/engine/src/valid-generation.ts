// What a generation was asked to be, after every check: all defaults filled, all ranges checked, lengths resolved.
// Made by `generation-config.ts` alone; knows no wire spelling.

declare const checked: unique symbol;

export interface GenerationSettings
  extends LengthSettings, ProcessorSettings, WarperSettings, StoppingSettings, ReturnedSettings {
  readonly doSample: boolean;
  /** Null: each returned sequence is decoded by itself. */
  readonly beams: BeamSettings | null;
  /** Draft by prompt lookup; the ids are those of plain decoding. Null: none. */
  readonly promptLookup: PromptLookupSettings | null;
  /** Draft by a smaller model, as with prompt lookup, beside which there is none. Null: none. */
  readonly draftModel: DraftModelSettings | null;
  /** Name of the LoRA adapter to compute with; null: the model as it is. */
  readonly adapter: string | null;
  /** Computed alone, in a context of its own and with its prompt always cut alike. */
  readonly deterministic: boolean;
  /** In `[0, 2^53 - 1]`; null: the engine draws one and returns it. */
  readonly seed: number | null;
}

/** Beam search, or beam sampling where the generation samples. */
export interface BeamSettings {
  /** At least 2, and at least as many as are returned. */
  readonly beamCount: number;
  /** True: ends when as many have finished as there are beams; "never": when none can do better; false: by a guess. */
  readonly earlyStopping: boolean | "never";
  /** The sum of log-probabilities is divided by the number of new tokens to this power. */
  readonly lengthPenalty: number;
  /** Null: all beams are searched together. */
  readonly groups: BeamGroups | null;
  /** Of each list one word must come, a list of ids; none of them is empty, has an end token or begins another. */
  readonly forcedWords: readonly (readonly (readonly number[])[])[];
}

/** Diverse beam search: each group searches by itself and avoids what earlier groups chose in the same step. */
export interface BeamGroups {
  /** At least 2; divides the number of beams. */
  readonly count: number;
  /** Taken from a token's score for each beam of earlier groups that chose it; above 0. */
  readonly diversityPenalty: number;
}

/** Sequences that are computed at once, without those of guidance. */
export function sequenceCountOf({
  beams,
  returnedSequenceCount,
}: Pick<GenerationSettings, "beams" | "returnedSequenceCount">): number {
  return beams?.beamCount ?? returnedSequenceCount;
}

export interface LengthSettings {
  /** Tokens of the prompt the lengths were resolved for. */
  readonly promptTokenCount: number;
  /** Most tokens of a sequence, prompt included; above `promptTokenCount`, at most the context length. */
  readonly maxLength: number;
  /** End tokens are banned while the sequence, prompt included, is shorter; 0 is off. */
  readonly minLength: number;
  /** End tokens are banned while there are fewer new tokens; 0 is off. */
  readonly minNewTokenCount: number;
}

/** Acting in every mode. Null, an empty list and false are off. */
export interface ProcessorSettings {
  /** Classifier-free guidance. */
  readonly guidance: GuidanceSettings | null;
  readonly sequenceBias: readonly SequenceBias[];
  /** Above 0, and not 1. */
  readonly encoderRepetitionPenalty: number | null;
  /** Above 0, and not 1. */
  readonly repetitionPenalty: number | null;
  /** OpenAI's, in `[-2, 2]`, and not 0: an extension. */
  readonly presencePenalty: number | null;
  readonly frequencyPenalty: number | null;
  /** At least 1. */
  readonly noRepeatNgramSize: number | null;
  readonly encoderNoRepeatNgramSize: number | null;
  /** Lists of one id at least; one that is a single end token is not among them. */
  readonly badWords: readonly (readonly number[])[];
  readonly forcedBosTokenId: number | null;
  /** Ascending. */
  readonly forcedEosTokenIds: readonly number[];
  readonly removeInvalidValues: boolean;
  readonly exponentialDecay: ExponentialDecay | null;
  /** Ids within the vocabulary. */
  readonly suppressedTokenIds: readonly number[];
  readonly beginSuppressedTokenIds: readonly number[];
  readonly watermark: WatermarkSettings | null;
  readonly renormalizeLogits: boolean;
}

/** Acting only when sampling; null is off. */
export interface WarperSettings {
  /** Above 0, and not 1. */
  readonly temperature: number | null;
  /** In `(0, 1]`. */
  readonly topH: number | null;
  /** At least 1. */
  readonly topK: number | null;
  /** In `[0, 1)`. */
  readonly topP: number | null;
  /** In `[0, 1]`. */
  readonly minP: number | null;
  /** In `(0, 1)`. */
  readonly typicalP: number | null;
  /** In `(0, 1)`. */
  readonly epsilonCutoff: number | null;
  /** In `(0, 1)`. */
  readonly etaCutoff: number | null;
}

export interface StoppingSettings {
  /** Ids that end a sequence, in the order given, without duplicates; none: only the length ends it. */
  readonly endTokenIds: readonly number[];
  /** None is empty. */
  readonly stopStrings: readonly string[];
  /** From admission; checked after each token, so one always comes. Null: no limit. */
  readonly maxTimeMs: number | null;
}

export interface ReturnedSettings {
  readonly returnedSequenceCount: number;
  /** Fills shorter rows; null where neither a pad nor an end token is known. */
  readonly padTokenId: number | null;
  /** What is kept of each step's scores for the answer. */
  readonly outputScores: RecordedScores | null;
  /** The same of raw logits. */
  readonly outputLogits: RecordedScores | null;
  /** Log-probabilities of each chosen token and of this many best ones beside it, by raw logits; null: none. */
  readonly logprobCount: number | null;
}

export interface GuidanceSettings {
  readonly scale: number;
  /** What the unconditional context begins with: at least one id; the prompt's last where the caller gave none. */
  readonly negativePromptIds: readonly number[];
}

export interface SequenceBias {
  /** At least one id, within the vocabulary; the bias falls on the last where the others precede it. */
  readonly ids: readonly number[];
  /** May be negative. */
  readonly bias: number;
}

export interface ExponentialDecay {
  /** New tokens after which it begins. */
  readonly startIndex: number;
  readonly factor: number;
}

/** Green lists by hashing (Kirchenbauer et al.). */
export interface KgwWatermark {
  readonly kind: "kgw";
  /** In `(0, 1)`. */
  readonly greenlistRatio: number;
  readonly bias: number;
  readonly hashingKey: number;
  readonly seedingScheme: "lefthash" | "selfhash";
  /** At least 1. */
  readonly contextWidth: number;
}

/** Tournament sampling (Dathathri et al.). */
export interface SynthIdWatermark {
  readonly kind: "synthid";
  /** At least 1. */
  readonly ngramLength: number;
  readonly keys: readonly number[];
  /** At least 0. */
  readonly contextHistorySize: number;
  readonly samplingTableSeed: number;
  /** At most 2^24. */
  readonly samplingTableSize: number;
  readonly skipFirstNgramCalls: boolean;
  readonly debugMode: boolean;
}

export type WatermarkSettings = KgwWatermark | SynthIdWatermark;

export interface PromptLookupSettings {
  /** Most drafted tokens; at least 1. */
  readonly draftTokenCount: number;
  /** Longest n-gram that is looked for; at least 1. */
  readonly maxNgramSize: number;
}

export interface DraftModelSettings {
  /** One of those that the engine has. */
  readonly name: string;
  /** Most drafted tokens, at first; at least 1. */
  readonly draftTokenCount: number;
  /** Whether their number stays, or grows where all were right and falls else; "heuristic" goes on in the next generation. */
  readonly schedule: "constant" | "heuristic" | "heuristic_transient";
  /** A draft ends with a token that the draft model found less likely; 0 and below: it does not. */
  readonly confidenceThreshold: number;
}

export interface RecordedScores {
  /** The best this many of each row; null: the whole row. */
  readonly topCount: number | null;
}

/** Everything that may be off, off. */
export const nothingBesides = {
  beams: null,
  minLength: 0,
  minNewTokenCount: 0,
  guidance: null,
  sequenceBias: [],
  encoderRepetitionPenalty: null,
  repetitionPenalty: null,
  presencePenalty: null,
  frequencyPenalty: null,
  noRepeatNgramSize: null,
  encoderNoRepeatNgramSize: null,
  badWords: [],
  forcedBosTokenId: null,
  forcedEosTokenIds: [],
  removeInvalidValues: false,
  exponentialDecay: null,
  suppressedTokenIds: [],
  beginSuppressedTokenIds: [],
  watermark: null,
  renormalizeLogits: false,
  temperature: null,
  topH: null,
  topK: null,
  topP: null,
  minP: null,
  typicalP: null,
  epsilonCutoff: null,
  etaCutoff: null,
  stopStrings: [],
  maxTimeMs: null,
  outputScores: null,
  outputLogits: null,
  logprobCount: null,
  promptLookup: null,
  draftModel: null,
  adapter: null,
} as const satisfies Partial<GenerationSettings>;

/** Frozen settings that passed every check; nothing behind this type checks them again. */
export type ValidGeneration = GenerationSettings & { readonly [checked]: true };
