// A request for weights → what the process is told to do, under which content, and what is still missing for it.

import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  fieldsError,
  nameProblem,
  ServingError,
  type CreateWeights,
  type PreparationSource,
  type QuantizationRecipe,
} from "@corral/contract";
import { pathsByName, type CatalogueLicense } from "@corral/weights";
import { allowedWeightsPath } from "../build/weights-root.ts";
import type { CarriedSettings, Preparation } from "../domain/weights.ts";
import { weightsSource, type WeightsPlaces, type WeightsSource } from "./source.ts";

export interface WeightsRequest extends Pick<WeightsSource, "row" | "origin" | "name" | "warnings"> {
  readonly preparation: Preparation;
  /** Names source, revision and recipe; of files of this machine also their sizes and times. */
  readonly contentKey: string;
}

/** Fails as `weightsSource` does, and with `invalid_parameter` for a recipe that cannot be. */
export async function weightsRequest(body: CreateWeights, places: WeightsPlaces): Promise<WeightsRequest> {
  const found = await weightsSource(body.source, places, body.file ?? null);
  const { row, origin, name, carried, warnings, preparation: source } = found;
  const recipe = await recipeOf(body, defaultQuantization(source, row?.quantization ?? null, body), places);
  const problem = nameProblem(name);
  if (problem !== null)
    throw fieldsError([{ pointer: "/source", code: "invalid_parameter", message: problem }]);
  return {
    row,
    origin,
    name,
    warnings,
    preparation: { source, recipe, ...(carried === null ? {} : { carried }) },
    contentKey: await contentKey(source, recipe, carried),
  };
}

/** A GGUF file is as whoever made it wanted it; only a row that names that very file says otherwise. */
function defaultQuantization(
  source: PreparationSource,
  ofRow: QuantizationRecipe["quantization"] | null,
  { file }: CreateWeights,
): QuantizationRecipe["quantization"] | null {
  const isChosenFile = source.kind === "gguf" || file !== undefined;
  return isChosenFile ? null : ofRow;
}

async function recipeOf(
  body: CreateWeights,
  byDefault: QuantizationRecipe["quantization"] | null,
  { roots }: WeightsPlaces,
): Promise<QuantizationRecipe | null> {
  const { output_type, token_embedding_type, importance_matrix } = body;
  const parts = {
    ...(output_type === undefined ? {} : { output_type }),
    ...(token_embedding_type === undefined ? {} : { token_embedding_type }),
    ...(importance_matrix === undefined
      ? {}
      : { importance_matrix: await allowedWeightsPath(importance_matrix, roots) }),
  };
  const quantization = body.quantization ?? byDefault;
  if (quantization !== null) return { quantization, ...parts };
  const [part] = Object.keys(parts);
  if (part === undefined) return null;
  const message = `${part} needs a quantization beside it, such as "q4_k_m"; the weights stay as they are otherwise.`;
  throw fieldsError([{ pointer: "/quantization", code: "missing_parameter", message }]);
}

async function contentKey(
  source: PreparationSource,
  recipe: QuantizationRecipe | null,
  carried: CarriedSettings | null,
): Promise<string> {
  const files = [
    ...(source.kind === "hub" ? [] : await stampsOf(source.path)),
    ...(recipe?.importance_matrix === undefined ? [] : await stampsOf(recipe.importance_matrix)),
  ];
  const { kind, ...where } = source;
  const content = [
    kind,
    Object.entries(where).toSorted(byName),
    Object.entries(recipe ?? {}).toSorted(byName),
  ];
  return createHash("sha256")
    .update(JSON.stringify([content, files, carried]))
    .digest("hex")
    .slice(0, 32);
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);

/** Size and time of a file and its parts, or of each file right in a directory: another content has another stamp. */
async function stampsOf(path: string): Promise<unknown[]> {
  const found = await stat(path);
  if (!found.isDirectory()) return await Promise.all(pathsByName(path).map(stampOf));
  const names = (await readdir(path)).toSorted();
  const stamps = await Promise.all(
    names.map(async (name) => {
      const file = await stat(join(path, name)).catch(() => null);
      return file?.isFile() === true ? [name, file.size, file.mtimeMs] : null;
    }),
  );
  return stamps.filter((stamp) => stamp !== null);
}

async function stampOf(path: string): Promise<unknown> {
  const found = await stat(path).catch(() => null);
  return found === null ? null : [found.size, found.mtimeMs];
}

/** What a person who has not accepted it is told. */
export function licenseNotAccepted(name: string, license: CatalogueLicense): ServingError {
  return new ServingError(
    "license_not_accepted",
    `${name} needs the licence ${license.id} accepted once: read ${license.url}, then say so with ` +
      `\`corral deploy ${name} --accept-license ${license.id}\` or "accept_license": "${license.id}".`,
  );
}

/**
 * Checks `accept_license` against the licence that there is. True where it was accepted by this request. Fails with
 * `license_not_accepted`, or `invalid_parameter` where there is nothing to accept.
 */
export function checkLicense(
  given: string | undefined,
  { row, name }: Pick<WeightsRequest, "row" | "name">,
  accepted: ReadonlySet<string>,
): boolean {
  const license = row?.license ?? null;
  if (license === null) {
    if (given === undefined) return false;
    const message = `accept_license is ${JSON.stringify(given)}, but Corral knows of no licence of ${name} to accept; leave it out.`;
    throw fieldsError([{ pointer: "/accept_license", code: "invalid_parameter", message }]);
  }
  if (given === license.id) return true;
  if (given !== undefined) {
    const message = `accept_license is ${JSON.stringify(given)}, and the licence of ${name} is ${license.id} (${license.url}).`;
    throw new ServingError("license_not_accepted", message, {
      errors: [{ pointer: "/accept_license", code: "license_not_accepted", message }],
    });
  }
  if (!accepted.has(license.id)) throw licenseNotAccepted(name, license);
  return false;
}
