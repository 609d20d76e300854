// The operator's own rows of the catalogue, from a YAML file: the same shape as the built-in ones in the wire's
// spelling. Every mistake is told with its line, the value and what to write instead.

import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { checkDefaults, readYaml, reportIssue, type Report } from "@corral/bundle";
import {
  ServingError,
  fieldsError,
  generationCaps,
  modelDefaultsSchema,
  nameProblem,
  precisions,
  quantizationProblem,
  quantizations,
  type FieldError,
} from "@corral/contract";
import {
  builtInCatalogue,
  createCatalogue,
  namesOf,
  type Catalogue,
  type CatalogueRow,
} from "@corral/weights";
import { z } from "zod";

const names = z.array(z.string().min(1));
const rowSchema = z.strictObject({
  identifier: z.string(),
  /** A built-in row of this identifier is meant and changed: what is left out here stays as it is there. */
  replaces_built_in: z.boolean().optional(),
  title: z.string().min(1).optional(),
  aliases: names.optional(),
  routes: names.optional(),
  repository: z
    .string()
    .regex(/^[\w.-]+\/[\w.-]+$/)
    .optional(),
  revision: z.string().min(1).optional(),
  file: z.string().min(1).optional(),
  path: z.string().refine(isAbsolute, "must be an absolute path").optional(),
  license: z
    .strictObject({ id: z.string().min(1), url: z.url({ protocol: /^https?$/ }), notice: z.string().min(1) })
    .nullable()
    .optional(),
  quantization: z.enum(quantizations).nullable().optional(),
  context_length: z.int().positive().nullable().optional(),
  precision: z.enum(precisions).nullable().optional(),
  defaults: modelDefaultsSchema.optional(),
  generation_config: z.record(z.string(), z.unknown()).optional(),
  chat_template: z.string().min(1).nullable().optional(),
});
type OperatorRow = z.infer<typeof rowSchema>;
const fileSchema = z.strictObject({ models: z.array(z.unknown()) });

/**
 * The built-in catalogue with the rows of a file. Fails with `invalid_parameter`, whose `errors` hold every mistake,
 * and with `weights_missing` where a file that was asked for is not there.
 * @param isAsked whether the operator named the file, so that it must be there
 */
export async function readCatalogue(path: string, isAsked: boolean): Promise<Catalogue> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const isAbsent = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (isAbsent && !isAsked) return builtInCatalogue;
    const reason = isAbsent ? "is not there" : `cannot be read (${String(cause)})`;
    throw new ServingError(
      "invalid_parameter",
      `The catalogue ${path} ${reason}; correct CORRAL_CATALOGUE or leave it out.`,
      { cause },
    );
  }
  return parseCatalogue(text, path);
}

/** The same from the file's text. `path` is named in messages. */
export function parseCatalogue(text: string, path: string): Catalogue {
  const outcome = readYaml(text);
  if (outcome.kind === "refused") {
    throw fieldsError(
      outcome.problems.map(({ line, message }) => mistake([], `${path} line ${line}: ${message}.`)),
    );
  }
  const errors: FieldError[] = [];
  const report: Report = (at, code, message) => {
    const line = outcome.source.lineOf(at);
    errors.push({ ...mistake(at, `${path}${line === null ? "" : ` line ${line}`}: ${message}`), code });
  };
  const value = outcome.source.value ?? { models: [] };
  const file = fileSchema.safeParse(value);
  for (const issue of file.error?.issues ?? []) reportIssue(issue, fileSchema, value, [], report);

  const taken = new Map(
    builtInCatalogue.rows.flatMap((row) => namesOf(row).map((name) => [name, row.identifier])),
  );
  const own = new Map<string, CatalogueRow>();
  for (const [index, given] of (file.data?.models ?? []).entries()) {
    const at = ["models", index];
    const row = checkRow(given, at, taken, report);
    if (row === null) continue;
    own.set(row.identifier, row);
    for (const name of namesOf(row)) taken.set(name, row.identifier);
  }
  if (errors.length > 0) throw fieldsError(errors);
  const kept = builtInCatalogue.rows.map((row) => own.get(row.identifier) ?? row);
  const added = [...own.values()].filter((row) => !kept.includes(row));
  return createCatalogue([...added, ...kept]);
}

/** Null where it has mistakes. */
function checkRow(
  given: unknown,
  at: readonly PropertyKey[],
  taken: ReadonlyMap<string, string>,
  report: Report,
): CatalogueRow | null {
  let isSound = true;
  const wrong: Report = (path, code, message) => {
    isSound = false;
    report(path, code, message);
  };
  const parsed = rowSchema.safeParse(given);
  for (const issue of parsed.error?.issues ?? []) {
    const value: unknown = (given as Record<string, unknown> | null)?.["quantization"];
    const problem =
      issue.path[0] === "quantization" && typeof value === "string" ? quantizationProblem(value) : null;
    if (problem === null) reportIssue(issue, rowSchema, given, at, wrong);
    else
      wrong(
        [...at, "quantization"],
        "invalid_parameter",
        `quantization is ${JSON.stringify(value)}; ${problem}.`,
      );
  }
  if (parsed.data === undefined) return null;
  const written = parsed.data;
  const builtIn = builtInCatalogue.find(written.identifier);
  const base =
    builtIn?.identifier === written.identifier && written.replaces_built_in === true ? builtIn : null;
  const problem = nameProblem(written.identifier);
  if (problem !== null) wrong([...at, "identifier"], "invalid_parameter", problem);
  if (written.replaces_built_in === true && base === null) {
    const message = `replaces_built_in is true, and ${written.identifier} is no identifier of the built-in catalogue; leave it out.`;
    wrong([...at, "replaces_built_in"], "invalid_parameter", message);
  }
  const row = rowOf(written, base);
  if (row === null) {
    const message = `${written.identifier} names no weights; give repository, or path.`;
    wrong(at, "missing_parameter", message);
    return null;
  }
  if (written.repository !== undefined && written.path !== undefined)
    wrong([...at, "path"], "invalid_parameter", "path stands beside repository; give one of them.");
  if (row.weights.kind !== "hub") {
    for (const name of ["revision", "file"] as const)
      if (written[name] !== undefined)
        wrong([...at, name], "invalid_parameter", `${name} is for a repository; leave it out.`);
  }
  const seen = new Set<string>();
  for (const name of namesOf(row)) {
    const holder = taken.get(name);
    if (name !== name.toLowerCase()) {
      wrong(
        at,
        "invalid_parameter",
        `${JSON.stringify(name)} must be in lower case; names are found in any case.`,
      );
    } else if (seen.has(name)) {
      wrong(at, "invalid_parameter", `${JSON.stringify(name)} stands there twice.`);
    } else if (holder !== undefined && holder !== base?.identifier) {
      const hint =
        holder === written.identifier && builtIn !== null
          ? "write replaces_built_in: true to change that row"
          : "choose another";
      wrong(at, "conflict", `${JSON.stringify(name)} is a name of ${holder} already; ${hint}.`);
    }
    seen.add(name);
  }
  checkDefaults(row.defaults, { maxSequenceCount: 256, caps: generationCaps({}) }, (name, code, message) =>
    wrong([...at, "defaults", name], code, message),
  );
  return isSound ? row : null;
}

/** Null where no weights are named. */
function rowOf(written: OperatorRow, base: CatalogueRow | null): CatalogueRow | null {
  const { identifier, repository, path } = written;
  const before = base?.weights.kind === "hub" ? base.weights : null;
  const from = repository ?? (path === undefined ? before?.repository : undefined);
  const weights: CatalogueRow["weights"] | null =
    from !== undefined
      ? {
          kind: "hub",
          repository: from,
          revision: written.revision ?? (repository === undefined ? before?.revision : undefined) ?? "main",
          file: written.file ?? (repository === undefined ? before?.file : undefined) ?? null,
        }
      : path !== undefined
        ? { kind: "path", path }
        : (base?.weights ?? null);
  if (weights === null) return null;
  const aliases = written.aliases ?? base?.aliases ?? [];
  return {
    identifier,
    aliases,
    routes: written.routes ?? base?.routes ?? [`${identifier}-webhook`],
    title: written.title ?? base?.title ?? identifier,
    standsInFor: base?.standsInFor ?? [],
    precision: orBefore(written.precision, base?.precision),
    defaults: written.defaults ?? base?.defaults ?? {},
    generationConfig: written.generation_config ?? base?.generationConfig ?? {},
    chatTemplate: orBefore(written.chat_template, base?.chatTemplate),
    weights,
    license: orBefore(written.license, base?.license),
    quantization: orBefore(written.quantization, base?.quantization),
    contextLength: orBefore(written.context_length, base?.contextLength),
  };
}

/** An explicit null stands. */
function orBefore<Value>(written: Value | null | undefined, before: Value | null | undefined): Value | null {
  return written === undefined ? (before ?? null) : written;
}

function mistake(at: readonly PropertyKey[], message: string): FieldError {
  return {
    pointer: at.map((part) => `/${String(part)}`).join(""),
    code: "invalid_parameter",
    message,
  };
}
