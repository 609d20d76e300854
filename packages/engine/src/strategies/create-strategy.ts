// From settings to the strategy that carries them out, and what it needs of slots and cells.

import type { Evaluation } from "../evaluation.ts";
import { createPipeline } from "../logits/pipeline.ts";
import { createSelectionKernels, type SelectionKernels } from "../logits/selection-kernels.ts";
import type { StoppingCriterion } from "../stopping/criterion.ts";
import { createEndToken } from "../stopping/end-token.ts";
import { createMaxLength } from "../stopping/max-length.ts";
import { createMaxTime } from "../stopping/max-time.ts";
import { createStopString } from "../stopping/stop-string.ts";
import { sequenceCountOf, type BeamSettings, type GenerationSettings } from "../valid-generation.ts";
import type { Vocabulary } from "../vocabulary.ts";
import type { BeamSearch } from "./beams/beam.ts";
import { candidateCount, createBeamSearch } from "./beams/beam-search.ts";
import { createBeamStrategy } from "./beams/beam-strategy.ts";
import { createCandidatePool, type CandidatePool } from "./beams/candidates.ts";
import { createConstrainedBeamSearch } from "./beams/constrained-beam-search.ts";
import { createGroupBeamSearch } from "./beams/group-beam-search.ts";
import { createChooseDraft } from "./choose-draft.ts";
import { createDraftCounts, type DraftCounts } from "./draft-counts.ts";
import type { DraftModel } from "./draft-model.ts";
import { createTextEmbedding } from "./embed-text.ts";
import { createFastLane } from "./fast-lane.ts";
import { createLookupDrafter } from "./lookup-drafter.ts";
import { createModelDrafter } from "./model-drafter.ts";
import { uniformAt } from "./rng.ts";
import { createScoreRecorder } from "./score-recorder.ts";
import { createShortlistLane } from "./shortlist-lane.ts";
import { createTextScoring } from "./score-text.ts";
import type { DecodingStrategy, StrategyNeeds } from "./strategy.ts";
import type { TextEvaluation } from "./text-evaluation.ts";
import { createTokenByTokenStrategy, type TokenDrafter } from "./token-by-token.ts";

/** What all strategies of one engine share: its vocabulary, and buffers whose contents are undefined between two calls. */
export interface StrategyWorkspace {
  readonly kernels: SelectionKernels;
  readonly scratch: Float64Array;
  readonly unconditionalScores: Float32Array;
  readonly vocabulary: Vocabulary;
  readonly beamPool: CandidatePool;
  readonly draftModels: ReadonlyMap<string, DraftModel>;
  readonly draftCounts: DraftCounts;
  /** Most rows that a group may want of a step. */
  readonly stepRowBudget: number;
}

export function createStrategyWorkspace(
  vocabSize: number,
  vocabulary: Vocabulary,
  stepRowBudget: number,
  draftModels: ReadonlyMap<string, DraftModel> = new Map(),
): StrategyWorkspace {
  return {
    kernels: createSelectionKernels(vocabSize),
    scratch: new Float64Array(vocabSize),
    unconditionalScores: new Float32Array(vocabSize),
    vocabulary,
    beamPool: createCandidatePool(),
    draftModels,
    draftCounts: createDraftCounts(),
    stepRowBudget,
  };
}

export function createStrategy(
  settings: GenerationSettings,
  promptIds: readonly number[],
  seed: number,
  promptIndex: number,
  workspace: StrategyWorkspace,
): DecodingStrategy {
  if (settings.beams !== null)
    return createBeams(settings, settings.beams, promptIds, seed, promptIndex, workspace);
  const { kernels, scratch, unconditionalScores, vocabulary, draftCounts } = workspace;
  const { scores } = kernels;
  const environment = { vocabSize: scores.length, minKeepCount: 1, scratch, unconditionalScores };
  const picker = createFastLane({
    settings,
    processesWholeRow: settings.outputScores !== null,
    pipeline: createPipeline(settings, environment),
    kernels,
    scratch,
    uniformAt: (sequenceIndex, position) => uniformAt({ seed, promptIndex, sequenceIndex, position }),
  });
  return createTokenByTokenStrategy({
    rowCount: settings.returnedSequenceCount,
    picker,
    criteria: createCriteria(settings, vocabulary),
    scores,
    recorder: createScoreRecorder(settings, kernels),
    unconditionalScores: settings.guidance === null ? null : unconditionalScores,
    drafter: createDrafter(settings, seed, promptIndex, workspace),
    draftCounts,
  });
}

function createBeams(
  settings: GenerationSettings,
  beams: BeamSettings,
  promptIds: readonly number[],
  seed: number,
  promptIndex: number,
  { kernels, scratch, unconditionalScores, vocabulary, beamPool }: StrategyWorkspace,
): DecodingStrategy {
  const { endTokenIds, maxLength, guidance, padTokenId } = settings;
  const beamCount = beams.beamCount / (beams.groups?.count ?? 1);
  const rankedCount = candidateCount(beamCount, endTokenIds.length);
  const minKeepCount = Math.max(2, endTokenIds.length + 1);
  const vocabSize = kernels.scores.length;
  const earlierTokens: number[] = [];
  const environment = { vocabSize, minKeepCount, scratch, unconditionalScores, earlierTokens };
  const recorder = createScoreRecorder(settings, kernels);
  return createBeamStrategy({
    searches: createSearches(settings, beams, promptIds, rankedCount),
    beamCount,
    rankedCount,
    returnedSequenceCount: settings.returnedSequenceCount,
    lane: createShortlistLane({
      settings,
      processesWholeRow: settings.outputScores !== null,
      pipeline: createPipeline(settings, environment),
      minKeepCount,
      kernels,
    }),
    kernels,
    criteria: createCriteria(settings, vocabulary),
    maxLength,
    maxTimeMs: settings.maxTimeMs,
    sampling: settings.doSample
      ? {
          pool: beamPool,
          uniformAt: (draw, position) => uniformAt({ seed, promptIndex, sequenceIndex: draw, position }),
        }
      : null,
    recorder,
    unconditionalScores: guidance === null ? null : unconditionalScores,
    earlierTokens: beams.groups === null ? null : earlierTokens,
    padTokenId,
  });
}

function createSearches(
  { maxLength, promptTokenCount, returnedSequenceCount }: GenerationSettings,
  beams: BeamSettings,
  promptIds: readonly number[],
  rankedCount: number,
): readonly BeamSearch[] {
  const { groups, forcedWords } = beams;
  const options = { ...beams, maxNewTokenCount: maxLength - promptTokenCount };
  if (groups !== null) {
    const beamCount = beams.beamCount / groups.count;
    return Array.from({ length: groups.count }, (_, group) =>
      createGroupBeamSearch({ ...options, beamCount, firstBeam: group * beamCount }),
    );
  }
  return forcedWords.length > 0
    ? [createConstrainedBeamSearch({ ...options, returnedSequenceCount, promptIds })]
    : [createBeamSearch({ ...options, rankedCount })];
}

/** Null also for a deterministic generation: what a draft is depends on how long steps took. */
function createDrafter(
  settings: GenerationSettings,
  seed: number,
  promptIndex: number,
  { draftModels, kernels, scratch, stepRowBudget }: StrategyWorkspace,
): TokenDrafter | null {
  const { promptLookup, draftModel, deterministic, guidance, returnedSequenceCount, maxLength } = settings;
  if (deterministic) return null;
  const sequencesPerRow = guidance === null ? 1 : 2;
  const maxRowCount = Math.floor(stepRowBudget / (returnedSequenceCount * sequencesPerRow));
  if (promptLookup !== null)
    return createLookupDrafter({ ...settings, ...promptLookup, sequencesPerRow, maxRowCount });
  const model = draftModel === null ? undefined : draftModels.get(draftModel.name);
  if (draftModel === null || model === undefined) return null;
  const choose = createChooseDraft({
    settings,
    confidenceThreshold: draftModel.confidenceThreshold,
    kernels,
    scratch,
    uniformAt: (position) => uniformAt({ seed, promptIndex, sequenceIndex: 0, position }),
  });
  return createModelDrafter({ model, settings: draftModel, choose, maxLength, sequencesPerRow, maxRowCount });
}

/** The first that is met gives the reason: an end token at the last position counts as `stop`. */
export function createCriteria(settings: GenerationSettings, vocabulary: Vocabulary): StoppingCriterion[] {
  const { endTokenIds, stopStrings, maxLength, maxTimeMs } = settings;
  return [
    createEndToken(endTokenIds),
    ...(stopStrings.length === 0 ? [] : [createStopString(vocabulary, stopStrings)]),
    createMaxLength(maxLength),
    ...(maxTimeMs === null ? [] : [createMaxTime(maxTimeMs)]),
  ];
}

export function createTextEvaluation(
  evaluation: Evaluation,
  ids: readonly number[],
  { kernels }: StrategyWorkspace,
): TextEvaluation {
  return evaluation.kind === "scores"
    ? createTextScoring(ids, evaluation.topCount, kernels)
    : createTextEmbedding(ids, evaluation.pooling, evaluation.normalize);
}

/** The worst case: each context's cells once, and for each sequence those of its new tokens. */
export function strategyNeeds(settings: GenerationSettings, promptIds: readonly number[]): StrategyNeeds {
  const { guidance, maxLength } = settings;
  const contexts = guidance === null ? [promptIds] : [promptIds, guidance.negativePromptIds];
  const slotCount = sequenceCountOf(settings) * contexts.length;
  const newTokenCount = maxLength - promptIds.length;
  const contextTokenCount = contexts.reduce((sum, { length }) => sum + length, 0);
  return { contexts, slotCount, cellCount: contextTokenCount + slotCount * newTokenCount };
}
