// Our own settings in a config.yaml, under `model_metadata.corral`: what may stand there, and every mistake in it.

import {
  cacheTypes,
  callCapsSchema,
  generationCaps,
  modelDefaultsSchema,
  mostAdapters,
  namePatternProblem,
  precisions,
} from "@corral/contract";
import { z } from "zod";
import { checkDefaults, isRecord, weightsNotNamed, type Report } from "./config-issues.ts";
import type { Answerer } from "./truss-effects.ts";
import { weightsProblem, weightsReference } from "./weights-reference.ts";

/** Most sequences that a replica can be made to compute at a time. */
export const mostSlots = 256;
const count = z.int().positive();
const corralSchema = z.strictObject({
  weights: z.string().min(1).nullish(),
  assistant_models: z.record(z.string(), z.string().min(1)).nullish(),
  adapters: z.record(z.string(), z.string().min(1)).nullish(),
  precision: z.enum(precisions).nullish(),
  defaults: modelDefaultsSchema.nullish(),
  context_length: count.nullish(),
  slots: z.int().min(1).max(mostSlots).nullish(),
  cells: count.nullish(),
  threads: count.nullish(),
  queue_length: count.nullish(),
  max_step_ms: count.nullish(),
  idle_seconds: count.nullish(),
  cache_type: z.enum(cacheTypes).nullish(),
  call_caps: callCapsSchema.nullish(),
  strict_python: z.boolean().nullish(),
  strict_resources: z.boolean().nullish(),
});

export type CorralSettings = z.output<typeof corralSchema>;

export const corralPath = ["model_metadata", "corral"] as const;

/** Of code alone; nothing else reads them. */
const ofCode = ["strict_python", "strict_resources"] as const;
/** Of the engine, which there is where there are weights. */
const ofWeights = Object.keys(corralSchema.shape).filter(
  (name) => name !== "weights" && !ofCode.some((other) => other === name),
);

interface NamedWeights {
  readonly field: "assistant_models" | "adapters";
  readonly what: string;
  /** Each takes memory on every replica, used or not. */
  readonly most: number;
  /** Whether a name of the catalogue may stand for a file. */
  readonly mayBeNamed: boolean;
}

const besideTheModel: readonly NamedWeights[] = [
  { field: "assistant_models", what: "draft models", most: 4, mayBeNamed: true },
  { field: "adapters", what: "adapters", most: mostAdapters, mayBeNamed: false },
];

interface Others {
  /** What answers calls; null: code that cannot be told. */
  readonly answerer: Answerer | null;
  /** Whether another field names a model. */
  readonly hasModel: boolean;
  readonly hasAccelerator: boolean;
}

/**
 * Reports every mistake; the settings, where there is none.
 * @param given what stands at `model_metadata.corral`
 * @param others what there is beside
 * @param check holds a value against a schema and reports
 */
export function readCorralSettings(
  given: unknown,
  others: Others,
  report: Report,
  check: (schema: z.ZodType, value: unknown, path: readonly PropertyKey[]) => boolean,
): CorralSettings | null {
  if (given === undefined || given === null) {
    if (others.answerer === "weights" && !others.hasModel)
      report(corralPath, "missing_parameter", weightsNotNamed);
    return {};
  }
  if (isRecord(given)) checkWeights(given, others, report);
  const isSound = check(corralSchema, given, corralPath);
  if (!isRecord(given)) return null;
  // Looked at in any case: a mistake beside them must not hide these.
  for (const kind of besideTheModel) checkBeside(kind, given[kind.field], report);
  checkPrecision(given, report);
  checkGivenDefaults(given, report);
  return isSound ? corralSchema.parse(given) : null;
}

function checkWeights(
  given: Readonly<Record<string, unknown>>,
  { answerer, hasModel, hasAccelerator }: Others,
  report: Report,
): void {
  const { weights, strict_python: strictPython, strict_resources: strictResources } = given;
  const hasCode = answerer !== "weights";
  const at = [...corralPath, "weights"];
  const refuse = (names: readonly string[], why: string) => {
    for (const name of names) {
      if (isNothing(given[name])) continue;
      report([...corralPath, name], "unsupported_parameter", `${name} is about ${why}.`);
    }
  };
  if (!hasCode) {
    refuse(ofCode, "code, of which there is none in the directory; remove it");
  } else {
    if (strictPython === true && (answerer === "typescript" || answerer === "server"))
      refuse(["strict_python"], "code in Python, which answers no calls here; remove it");
    if (strictResources === true && !hasAccelerator)
      refuse(["strict_resources"], "resources.accelerator, which is not there; name one or remove it");
  }
  if (typeof weights === "string" && weights !== "") {
    const problem = weightsProblem(weights);
    if (problem !== null) report(at, "invalid_parameter", problem);
  } else if ((weights === undefined || weights === null) && !hasModel) {
    if (!hasCode) report(at, "missing_parameter", weightsNotNamed);
    else refuse(ofWeights, `the model behind ${at.join(".")}, which is not there; remove it or name weights`);
  }
}

function checkBeside(kind: NamedWeights, given: unknown, report: Report): void {
  const named = Object.entries(isRecord(given) ? given : {});
  const at = [...corralPath, kind.field];
  if (named.length > kind.most) {
    const most = `has ${named.length} ${kind.what}; ${kind.most} at most are loaded beside a model. Leave out some.`;
    report(at, "invalid_parameter", `${kind.field} ${most}`);
  }
  for (const [name, value] of named) {
    const wrong = namedWeightsProblem(kind, name, value);
    if (wrong !== null) report([...at, name], "invalid_parameter", wrong);
  }
}

function namedWeightsProblem(
  { field, mayBeNamed }: NamedWeights,
  name: string,
  weights: unknown,
): string | null {
  const problem = namePatternProblem(name);
  if (problem !== null) return `${field}: ${problem}`;
  if (typeof weights !== "string" || weights === "") return null;
  const wrong = weightsProblem(weights);
  if (wrong !== null || mayBeNamed || weightsReference(weights).kind !== "named") return wrong;
  return `${field}: ${name} is ${JSON.stringify(weights)}; it must be the path of a GGUF file, in the directory or absolute.`;
}

function checkPrecision(given: Readonly<Record<string, unknown>>, report: Report): void {
  const { precision, cache_type: cacheType } = given;
  if (precision !== "reference" || typeof cacheType !== "string" || cacheType === "f32") return;
  const wrong = `cache_type is ${cacheType}; with precision reference it is f32. Leave one of them out.`;
  report([...corralPath, "cache_type"], "invalid_parameter", wrong);
}

function checkGivenDefaults(given: Readonly<Record<string, unknown>>, report: Report): void {
  const { defaults, slots, call_caps: caps } = given;
  if (!isRecord(defaults)) return;
  const limits = {
    maxSequenceCount: typeof slots === "number" ? slots : mostSlots,
    caps: generationCaps(callCapsSchema.safeParse(caps ?? {}).data ?? {}),
  };
  checkDefaults(defaults, limits, (name, code, message) =>
    report([...corralPath, "defaults", name], code, message),
  );
}

export function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isRecord(value) && Object.keys(value).length === 0;
}
