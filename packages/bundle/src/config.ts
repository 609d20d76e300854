// config.yaml text → what it says of the model and of its code, or every mistake at once. Reads no file and does not
// know whether the weights exist.

import type { FieldError } from "@corral/contract";
import type { z } from "zod";
import { bundleConfig, configFileName, deepFreeze, type BundleConfig } from "./bundle-config.ts";
import { coerceConfig } from "./coerce.ts";
import { checkNumbers, isRecord, pointer, reportIssue, unknownKey, type Report } from "./config-issues.ts";
import { isNothing, readCorralSettings, type CorralSettings } from "./corral-settings.ts";
import { cleanPath, findCode } from "./find-code.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import type { BundleCode } from "./manifest.ts";
import { isProjectFile, projectFileOf } from "./project-file.ts";
import { secretProblems } from "./secrets-inside.ts";
import { repositoryOfTrtLlm, trtLlmUnknown } from "./trt-llm.ts";
import { trussSettings } from "./truss-config.ts";
import { verdictsOn, type Answerer, type FieldWithoutEffect } from "./truss-effects.ts";
import { checkSources, checkTogether, checkTransport } from "./truss-rules.ts";
import { trussSchema, type TrussFields } from "./truss-schema.ts";
import type { TrussSettings } from "./truss-settings.ts";
import { readYaml, type YamlSource } from "./yaml-source.ts";

/** Frozen. */
export interface ParsedConfig {
  readonly config: BundleConfig;
  /** What answers calls. */
  readonly answerer: Answerer;
  /** Null: weights alone, or a server of the author's. */
  readonly code: BundleCode | null;
  /** The surroundings of code or server; read and checked for weights alone, too, where they have no effect. */
  readonly truss: TrussSettings;
  /** Accepted fields that change nothing, in the order of the file. */
  readonly withoutEffect: readonly FieldWithoutEffect[];
}

/** Of one config. */
const mostErrors = 100;
const trussDefaults: TrussFields = trussSchema.parse({});

/**
 * Fails with `invalid_bundle`; its `errors` hold every mistake with pointer, line and remedy.
 * @param paths of the bundle's files, in which the code is looked for
 */
export function parseConfig(text: string, paths: Iterable<string> = []): ParsedConfig {
  const outcome = readYaml(text);
  if (outcome.kind === "refused") {
    throw invalidBundle(
      outcome.problems.map((problem) =>
        fieldError("", "invalid_parameter", `${configFileName} line ${problem.line}: ${problem.message}.`),
      ),
    );
  }
  return deepFreeze(checkConfig(outcome.source, new Set(paths)));
}

function checkConfig(source: YamlSource, paths: ReadonlySet<string>): ParsedConfig {
  const root = source.value ?? {};
  const errors: FieldError[] = [];
  let renamed: ReadonlyMap<string, string> = new Map();
  const written = ([first, ...rest]: readonly PropertyKey[]) =>
    first === undefined ? [] : [renamed.get(String(first)) ?? first, ...rest];
  const report: Report = (path, code, message) => {
    // Nobody reads more, and each takes time.
    if (errors.length >= mostErrors) return;
    const line = source.lineOf(written(path));
    const place = line === null ? configFileName : `${configFileName} line ${line}`;
    errors.push(fieldError(pointer(written(path)), code, `${place}: ${message}`));
  };
  const check = (schema: z.ZodType, value: unknown, path: readonly PropertyKey[]): boolean => {
    const parsed = schema.safeParse(value);
    for (const issue of parsed.error?.issues ?? []) reportIssue(issue, schema, value, path, report);
    return parsed.success;
  };

  if (!isRecord(root)) {
    report([], "invalid_parameter", "must be a map of settings.");
    throw invalidBundle(errors);
  }
  checkNumbers(root, [], report);
  const coerced = coerceConfig(root, trussSchema, (path) => source.numberSource(path));
  renamed = coerced.renamed;
  const { fields, whole } = readFields(coerced.value, check, report);
  checkTogether(fields, report);
  for (const { path, message } of secretProblems(coerced.value)) report(path, "invalid_parameter", message);

  const { answerer, code } = findAnswerer(fields, coerced.value, paths, report);
  if (answerer === "python") checkSources(fields, report);
  if (code !== null) checkTransport(fields, report);
  const verdicts =
    answerer === null ? { without: [], refused: [] } : verdictsOn(coerced.value, trussDefaults, answerer);
  for (const { field, path, remedy } of verdicts.refused) {
    report(path, "unsupported_parameter", `${field} is not supported here. ${remedy}`);
  }
  const given = coerced.value["model_metadata"];
  const metadata = isRecord(given) ? given : {};
  const engine = answerer === "weights" ? (fields.trt_llm ?? null) : null;
  const repository = repositoryOfTrtLlm(engine);
  const others = {
    answerer,
    hasModel: engine !== null,
    hasAccelerator: fields.resources?.accelerator !== undefined,
  };
  const settings = readCorralSettings(metadata["corral"], others, report, check);
  if (engine !== null && repository === null && isNothing(settings?.weights))
    report(["trt_llm"], "unsupported_parameter", trtLlmUnknown);
  if (whole === null || settings === null || answerer === null || errors.length > 0)
    throw invalidBundle(errors);

  return {
    config: configOf(whole, metadata, { ...settings, weights: settings.weights ?? repository }),
    answerer,
    code,
    truss: trussSettings(whole),
    withoutEffect: verdicts.without.map(({ field, path, reason }) => ({
      field,
      line: source.lineOf(written(path)),
      reason,
    })),
  };
}

/** Each field by itself: those that are sound, and the whole where all are. */
function readFields(
  value: Readonly<Record<string, unknown>>,
  check: (schema: z.ZodType, value: unknown, path: readonly PropertyKey[]) => boolean,
  report: Report,
): { readonly fields: Partial<TrussFields>; readonly whole: TrussFields | null } {
  const sound: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    const field = Object.hasOwn(trussSchema.shape, key)
      ? trussSchema.shape[key as keyof TrussFields]
      : undefined;
    if (field === undefined) {
      report([key], "unknown_parameter", unknownKey(key, [], Object.keys(trussSchema.shape)));
    } else if (!isGiven(key, member)) {
      // As if it were not there: `requirements:` with nothing behind it is no mistake.
      continue;
    } else if (check(field, member, [key])) {
      sound[key] = member;
    }
  }
  const whole = trussSchema.parse(sound);
  const present = Object.keys(sound).map((key) => [key, whole[key as keyof TrussFields]] as const);
  const isWhole =
    present.length === Object.entries(value).filter(([key, member]) => isGiven(key, member)).length;
  return { fields: Object.fromEntries(present), whole: isWhole ? whole : null };
}

/** An empty server is one without its fields, not none. */
function isGiven(key: string, member: unknown): boolean {
  return key === "docker_server" ? member !== undefined && member !== null : !isNothing(member);
}

/** `answerer` is null where code is there and cannot be told, which is reported. */
function findAnswerer(
  fields: Partial<TrussFields>,
  written: Readonly<Record<string, unknown>>,
  paths: ReadonlySet<string>,
  report: Report,
): { readonly answerer: Answerer | null; readonly code: BundleCode | null } {
  if (isGiven("docker_server", written["docker_server"])) return { answerer: "server", code: null };
  const { requirements_file: requirements } = fields;
  const found = findCode(
    {
      modelModuleDir: fields.model_module_dir ?? trussDefaults.model_module_dir,
      modelClassFilename: fields.model_class_filename ?? trussDefaults.model_class_filename,
      modelClassName: fields.model_class_name ?? trussDefaults.model_class_name,
    },
    {
      filename: fields.model_class_filename !== undefined,
      className: fields.model_class_name !== undefined,
    },
    paths,
  );
  if (found.kind === "wrong") {
    report([found.field], "invalid_parameter", found.message);
    return { answerer: null, code: null };
  }
  if (found.kind !== "found") return { answerer: "weights", code: null };
  if (requirements !== undefined && found.code.kind === "python") {
    const message = missingRequirements(requirements, paths);
    if (message !== null) report(["requirements_file"], "invalid_parameter", message);
  }
  return { answerer: found.code.kind, code: found.code };
}

/** Null: all that the requirements are read from is there. */
function missingRequirements(written: string, paths: ReadonlySet<string>): string | null {
  const file = cleanPath(written);
  const isLeftOut = "is not in the directory or is left out by the ignore rules";
  if (!paths.has(file)) return `requirements_file names ${written}, which ${isLeftOut}.`;
  const project = projectFileOf(file);
  if (!isProjectFile(file) || paths.has(project)) return null;
  return `requirements_file names ${written}, which belongs to ${project}, and that ${isLeftOut}; put it beside the lock, or name a requirements.txt.`;
}

function configOf(
  fields: TrussFields,
  { corral: _, ...metadata }: Readonly<Record<string, unknown>>,
  settings: CorralSettings,
): BundleConfig {
  const { weights, assistant_models: drafts, adapters } = settings;
  return bundleConfig({
    modelName: fields.model_name ?? null,
    description: fields.description ?? null,
    metadata,
    ...(typeof weights === "string" ? { weights } : {}),
    ...(isRecord(drafts) && !isNothing(drafts) ? { draftModels: drafts } : {}),
    ...(isRecord(adapters) && !isNothing(adapters) ? { adapters } : {}),
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
    ...(settings.strict_python === true ? { strictPython: true } : {}),
    ...(settings.strict_resources === true ? { strictResources: true } : {}),
  });
}
