// The public face of `@corral/engine`.

export { createMonotonicClock, type Clock } from "./clock.ts";
export { createEngine, type EngineOptions } from "./engine.ts";
export type {
  EmbeddedText,
  Evaluation,
  EvaluationHandle,
  EvaluationOutput,
  EvaluationRequest,
  EvaluationResult,
  Pooling,
  ScoredText,
  ScoredToken,
} from "./evaluation.ts";
export {
  resolveGeneration,
  type GenerationLimits,
  type GenerationRefusal,
  type ResolvedGeneration,
  type ResolveGenerationInput,
} from "./generation-config.ts";
export { unknownAdapter } from "./generation-config/adapter.ts";
export { returnedScoreBytes, returnedScores } from "./generation-config/costs.ts";
export type { EffectiveParameter, EffectiveParameters } from "./generation-config/effective-parameters.ts";
export { withoutMasked } from "./generation-config/without-masked.ts";
export type {
  Engine,
  EngineLoad,
  GeneratedSequence,
  GenerationEvent,
  GenerationHandle,
  GenerationRequest,
  GenerationResult,
  GenerationTimings,
  GenerationUsage,
  PromptRequest,
  SubmitOptions,
} from "./generation.ts";
export type { GenerationCounts } from "./generation-statistics.ts";
export type {
  ModelRunner,
  ModelRunnerLimits,
  OutputKind,
  PositionRange,
  StepOutputs,
} from "./model-runner.ts";
export type { PrefixStore, StoredPrefix, WrittenPrefix } from "./prefix-store.ts";
export type { CacheOperation } from "./cache/cache-operation.ts";
export { padRows } from "./stopping/padding.ts";
export { chooseSeed } from "./seed.ts";
export type { RecordedRow, RecordedToken, TopScores } from "./recorded-token.ts";
export { recordedByteCount } from "./strategies/score-recorder.ts";
export type { FinishedBeam } from "./scheduler/outcome.ts";
export { createScratchBytes, type ScratchBytes } from "./scratch-bytes.ts";
export { createStepPlan, type PlanEntry, type StepPlan } from "./scheduler/step-plan.ts";
export { createDetokenizer, type Detokenizer, type DetokenizerOptions } from "./text/detokenizer.ts";
export {
  sequenceCountOf,
  type GenerationSettings,
  type RecordedScores,
  type ValidGeneration,
} from "./valid-generation.ts";
export type { TokenizeOptions, Vocabulary } from "./vocabulary.ts";
