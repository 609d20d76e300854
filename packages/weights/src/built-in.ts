// From a catalogue name to weights on this machine, or one sentence that says what is missing and what can be done.

import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseJson, ServingError } from "@corral/contract";
import { findCatalogueRow, standInsFor, suggestIdentifiers, type CatalogueRow } from "./catalogue.ts";

export interface ResolvedWeights {
  readonly row: CatalogueRow;
  /** Absolute path of the GGUF file. */
  readonly path: string;
  /** generation_config.json beside the file; an empty object where there is none. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
}

/** models/ of the checkout. */
export const builtInModelsDirectory = fileURLToPath(new URL("../../../models/", import.meta.url));

/**
 * The weights of a catalogue name. Fails with `model_not_found` for a name that the catalogue has not, and with
 * `weights_missing` for a row whose weights are not on this machine; both say what can be done instead.
 */
export async function resolveCatalogueWeights(
  name: string,
  modelsDirectory: string = builtInModelsDirectory,
): Promise<ResolvedWeights> {
  const row = findCatalogueRow(name);
  if (row === null) throw new ServingError("model_not_found", unknownName(name));
  if (row.weights.kind === "own")
    throw new ServingError("weights_missing", missingWeights(row, row.weights.source));
  const directory = join(modelsDirectory, row.weights.directory);
  const found = (await readdir(directory).catch(() => [])).filter((file) => file.endsWith(".gguf")).sort();
  const file = found.find((candidate) => candidate === `${row.identifier}.gguf`) ?? found[0];
  if (file === undefined) {
    throw new ServingError(
      "weights_missing",
      `The built-in weights of ${row.identifier} are not in ${directory}; restore them from the repository.`,
    );
  }
  const path = join(directory, file);
  return { row, path, generationConfig: await readGenerationConfigBeside(path) };
}

/** generation_config.json in the directory of a weights file, or an empty object. Fails with `weights_unreadable`. */
export async function readGenerationConfigBeside(weightsPath: string): Promise<Record<string, unknown>> {
  const path = join(dirname(weightsPath), "generation_config.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new ServingError("weights_unreadable", `${path} cannot be read.`, { cause: error });
  });
  if (text === null) return {};
  let value: unknown = null;
  try {
    value = parseJson(text);
  } catch (cause) {
    const detail =
      cause instanceof Error ? cause.message.replace("The body is", "it is") : "it is not valid JSON";
    throw new ServingError("weights_unreadable", `${path}: ${detail}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ServingError("weights_unreadable", `${path}: it must be a JSON object.`);
  }
  return value as Record<string, unknown>;
}

function unknownName(name: string): string {
  const near = suggestIdentifiers(name);
  const hint = near.length === 0 ? "see `corral ls catalogue`" : `did you mean ${near.join(" or ")}?`;
  return `There is no model ${JSON.stringify(name)} in the catalogue; ${hint}${near.length === 0 ? "." : ""}`;
}

function missingWeights(row: CatalogueRow, source: string): string {
  const standIn = standInsFor(row.identifier)[0];
  const orTiny =
    standIn === undefined ? "" : `, or the tiny stand-in with \`corral deploy ${standIn.identifier}\``;
  return (
    `The weights of ${row.identifier} (${source}) are not on this machine: deploy a GGUF file of them under an ` +
    `allowed root with \`corral deploy FILE --name ${row.identifier}\`${orTiny}.`
  );
}
