export * from "./baseten.ts";
export * from "./budget.ts";
export * from "./cerebrium.ts";
export * from "./chat.ts";
export * from "./error-envelope.ts";
export * from "./code-interface.ts";
export * from "./errors.ts";
export * from "./evaluation.ts";
export * from "./gc.ts";
export * from "./generate.ts";
export * from "./generate-call.ts";
export * from "./generation-caps.ts";
export type { RangeLimits } from "./generation-conflicts.ts";
export type {
  GenerationField,
  GenerationFieldKind,
  GenerationRange,
  GenerationVerdict,
} from "./generation-field.ts";
export { rowOf, wordsOf, type ParameterValue, type ValueOf } from "./generation-kinds.ts";
export * from "./generation-ranges.ts";
export * from "./generation-values.ts";
export * from "./json-body.ts";
export * from "./json.ts";
export * from "./logs.ts";
export * from "./management.ts";
export { editDistance, nearestName } from "./nearest-name.ts";
export * from "./openai.ts";
export * from "./patch.ts";
export * from "./project.ts";
export * from "./redact.ts";
export * from "./replica.ts";
export * from "./prompts.ts";
export * from "./report.ts";
export * from "./reserved.ts";
export * from "./run.ts";
export * from "./statistics.ts";
export * from "./usage.ts";
export { fillWatermark } from "./watermarking.ts";
export * from "./webhook.ts";
export * from "./weights.ts";
export * from "./weights-comparison.ts";
