// config.yaml (and generation_config.json) text → `BundleConfig`, or every mistake at once. Reads no file and does
// not know whether the weights exist.

import {
  callCapsSchema,
  checkModelValues,
  generationCaps,
  modelDefaultsSchema,
  mostAdapters,
  namePatternProblem,
  parseJson,
  precisions,
  cacheTypes,
  type CacheType,
  type CallCaps,
  type FieldError,
  type ModelDefaults,
  type Precision,
} from "@corral/contract";
import { z } from "zod";
import {
  checkDefaults,
  checkNumbers,
  isRecord,
  pointer,
  reportIssue,
  unknownKey,
  weightsNotNamed,
  type Report,
} from "./config-issues.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import { trussFields } from "./truss-fields.ts";
import { weightsProblem, weightsReference } from "./weights-reference.ts";
import { readYaml, type YamlSource } from "./yaml-source.ts";

/** Limits of a replica that the author sets; null: the platform decides. Names are those of the replica's config. */
export interface BundleLimits {
  readonly contextLength: number | null;
  readonly slotCount: number | null;
  readonly cellCount: number | null;
  readonly threadCount: number | null;
  readonly queueLength: number | null;
  /** How long prompts may make a step while others wait for their next token. Absent, not null: digests stay. */
  readonly maxStepMs?: number;
  /** Unused for so long the model gives its memory back. Absent, not null: digests stay. */
  readonly idleSeconds?: number;
  /** The type of keys and values in the KV cache. Absent, not null: digests stay. */
  readonly cacheType?: CacheType;
  /** What one call may cost; by their wire names. Absent, not null: digests stay. */
  readonly callCaps?: CallCaps;
}

/** What a model directory says of itself. Frozen, JSON-able. */
export interface BundleConfig {
  readonly modelName: string | null;
  readonly description: string | null;
  /** `model_metadata` without `corral`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** As written: see `weightsReference`. */
  readonly weights: string;
  /** Weights of draft models by the names that calls give, written as `weights`. Absent where there are none. */
  readonly draftModels?: Readonly<Record<string, string>>;
  /** Files of LoRA adapters by the names that calls give, written as `weights`. Absent where there are none. */
  readonly adapters?: Readonly<Record<string, string>>;
  /** Null: what the weights' catalogue row says, else `default`. */
  readonly precision: Precision | null;
  /** Used where the weights carry none. Absent, not null: digests stay. */
  readonly chatTemplate?: string;
  /** Parameter values by their wire names, merged over generation_config.json and under the caller's. */
  readonly defaults: ModelDefaults;
  readonly limits: BundleLimits;
}

export interface ParsedConfig {
  readonly config: BundleConfig;
  /** One sentence for each accepted field that changes nothing. */
  readonly warnings: readonly string[];
}

export const configFileName = "config.yaml";
export const generationConfigFileName = "generation_config.json";

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
/** Most sequences that a replica can be made to compute at a time. */
const mostSlots = 256;
const count = z.int().positive();
const corralSchema = z.strictObject({
  weights: z.string().min(1),
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
});

/** Fails with `invalid_bundle`; its `errors` hold every mistake with pointer, line and remedy. */
export function parseConfig(text: string): ParsedConfig {
  const outcome = readYaml(text);
  if (outcome.kind === "refused") {
    throw invalidBundle(
      outcome.problems.map((problem) =>
        fieldError("", "invalid_parameter", `${configFileName} line ${problem.line}: ${problem.message}.`),
      ),
    );
  }
  return checkConfig(outcome.source);
}

function checkConfig(source: YamlSource): ParsedConfig {
  const errors: FieldError[] = [];
  const warnings: string[] = [];
  const report: Report = (path, code, message) => {
    const line = source.lineOf(path);
    const place = line === null ? configFileName : `${configFileName} line ${line}`;
    errors.push(fieldError(pointer(path), code, `${place}: ${message}`));
  };
  const check = (schema: z.ZodType, value: unknown, path: readonly PropertyKey[]): boolean => {
    const parsed = schema.safeParse(value);
    for (const issue of parsed.error?.issues ?? []) reportIssue(issue, schema, value, path, report);
    return parsed.success;
  };

  const root = source.value ?? {};
  if (!isRecord(root)) {
    report([], "invalid_parameter", "must be a map of settings.");
    throw invalidBundle(errors);
  }
  checkNumbers(root, [], report);
  for (const [key, value] of Object.entries(root)) {
    const field = Object.hasOwn(trussFields, key) ? trussFields[key] : undefined;
    if (field === undefined) {
      report([key], "unknown_parameter", unknownKey(key, [], Object.keys(trussFields)));
    } else if (isEmpty(value)) {
      continue;
    } else if (field.effect === "refused") {
      report([key], "unsupported_parameter", `${key} is not supported here. ${field.remedy}`);
    } else if (check(field.schema, value, [key]) && field.effect === "none") {
      warnings.push(`${key} has no effect: ${field.reason}`);
    }
  }

  const metadata = isRecord(root["model_metadata"]) ? root["model_metadata"] : {};
  const corral = metadata["corral"];
  const at = ["model_metadata", "corral"];
  if (corral === undefined || corral === null) {
    report(at, "missing_parameter", weightsNotNamed);
  } else {
    check(corralSchema, corral, at);
    // Looked at in any case: a mistake beside them must not hide these.
    const { weights, defaults, slots, call_caps: givenCaps } = isRecord(corral) ? corral : {};
    for (const kind of besideTheModel) {
      const given = isRecord(corral) ? corral[kind.field] : null;
      const named = Object.entries(isRecord(given) ? given : {});
      if (named.length > kind.most) {
        const most = `has ${named.length} ${kind.what}; ${kind.most} at most are loaded beside a model. Leave out some.`;
        report([...at, kind.field], "invalid_parameter", `${kind.field} ${most}`);
      }
      for (const [name, value] of named) {
        const wrong = namedWeightsProblem(kind, name, value);
        if (wrong !== null) report([...at, kind.field, name], "invalid_parameter", wrong);
      }
    }
    const { precision, cache_type: cacheType } = isRecord(corral) ? corral : {};
    if (precision === "reference" && typeof cacheType === "string" && cacheType !== "f32") {
      const wrong = `cache_type is ${cacheType}; with precision reference it is f32. Leave one of them out.`;
      report([...at, "cache_type"], "invalid_parameter", wrong);
    }
    if (isRecord(defaults)) {
      const limits = {
        maxSequenceCount: typeof slots === "number" ? slots : mostSlots,
        caps: generationCaps(callCapsSchema.safeParse(givenCaps ?? {}).data ?? {}),
      };
      checkDefaults(defaults, limits, (name, code, message) =>
        report([...at, "defaults", name], code, message),
      );
    }
    const problem = typeof weights === "string" && weights !== "" ? weightsProblem(weights) : null;
    if (problem !== null) report([...at, "weights"], "invalid_parameter", problem);
  }
  if (errors.length > 0) throw invalidBundle(errors);

  const settings = corralSchema.parse(corral);
  const { corral: _, ...otherMetadata } = metadata;
  return {
    config: bundleConfig({
      modelName: optionalText(root["model_name"]),
      description: optionalText(root["description"]),
      metadata: otherMetadata,
      weights: settings.weights,
      ...(isNothing(settings.assistant_models) ? {} : { draftModels: settings.assistant_models }),
      ...(isNothing(settings.adapters) ? {} : { adapters: settings.adapters }),
      precision: settings.precision ?? null,
      defaults: settings.defaults ?? {},
      limits: {
        contextLength: settings.context_length ?? null,
        slotCount: settings.slots ?? null,
        cellCount: settings.cells ?? null,
        threadCount: settings.threads ?? null,
        queueLength: settings.queue_length ?? null,
        ...(typeof settings.max_step_ms !== "number" ? {} : { maxStepMs: settings.max_step_ms }),
        ...(typeof settings.idle_seconds !== "number" ? {} : { idleSeconds: settings.idle_seconds }),
        ...(typeof settings.cache_type !== "string" ? {} : { cacheType: settings.cache_type }),
        ...(isRecord(settings.call_caps) ? { callCaps: settings.call_caps } : {}),
      },
    }),
    warnings,
  };
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

function isNothing<Value extends object>(given: Value | null | undefined): given is null | undefined {
  return given === null || given === undefined || isEmpty(given);
}

/** A config made in code, for versions that come from no directory (`corral deploy <identifier>`). */
export function bundleConfig(
  given: Pick<BundleConfig, "weights"> &
    Partial<Omit<BundleConfig, "limits">> & { limits?: Partial<BundleLimits> },
): BundleConfig {
  return deepFreeze({
    modelName: null,
    description: null,
    metadata: {},
    precision: null,
    defaults: {},
    ...given,
    limits: {
      contextLength: null,
      slotCount: null,
      cellCount: null,
      threadCount: null,
      queueLength: null,
      ...given.limits,
    },
  });
}

/**
 * generation_config.json as an object; fails with `invalid_bundle`. A field that is not known here is passed over, as
 * Hugging Face does; a value that calls would be refused for is a mistake.
 * @param file named in the messages
 * @param config whose `defaults` lie over it
 */
export function parseGenerationConfig(
  text: string,
  file = generationConfigFileName,
  config: Pick<BundleConfig, "defaults" | "limits"> = bundleConfig({ weights: "" }),
): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : "not valid JSON";
    throw invalidBundle([
      fieldError("", "invalid_parameter", `${file}: ${detail.replace("The body is", "it is")}`),
    ]);
  }
  if (!isRecord(value)) {
    throw invalidBundle([fieldError("", "invalid_parameter", `${file}: must be a JSON object.`)]);
  }
  const errors = checkModelValues(value, {
    doSample: value["do_sample"] === true || config.defaults["do_sample"] === true,
    maxSequenceCount: config.limits.slotCount ?? mostSlots,
    vocabSize: null,
    caps: generationCaps(config.limits.callCaps ?? {}),
  });
  if (errors.length === 0) return value;
  // JSON is YAML, too, which tells the lines.
  const yaml = readYaml(text);
  const lineOf = (name: string) => (yaml.kind === "parsed" ? yaml.source.lineOf([name]) : null);
  throw invalidBundle(
    errors.map(({ pointer: at, code, message }) => {
      const line = lineOf(at.slice(1));
      return fieldError("", code, `${line === null ? file : `${file} line ${line}`}: ${message}`);
    }),
  );
}

function optionalText(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isRecord(value) && Object.keys(value).length === 0;
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
