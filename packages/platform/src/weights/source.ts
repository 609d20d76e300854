// What a person writes for weights → where they come from: a catalogue identifier, a hub repository or a path. Looks at
// files of this machine; asks no hub.

import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { ServingError, fieldsError, nameFrom, type PreparationSource } from "@corral/contract";
import {
  builtInCatalogue,
  isLocalSource,
  resolveBuiltInWeights,
  resolveSource,
  type Catalogue,
  type CatalogueRow,
  type CatalogueWeights,
} from "@corral/weights";
import { allowedPath } from "../build/weights-root.ts";
import type { CarriedSettings } from "../domain/weights.ts";

export interface WeightsPlaces {
  /** Directories of this machine that weights may be taken from. */
  readonly roots: readonly string[];
  readonly catalogue: Catalogue;
}

export interface WeightsSource {
  /** Null: the catalogue has no such name. */
  readonly row: CatalogueRow | null;
  readonly preparation: PreparationSource;
  /** Where from and which revision, without what is made of it: the same for every spelling. */
  readonly origin: string;
  /** A name that a model may have. */
  readonly name: string;
  readonly carried: CarriedSettings | null;
  /** What came along and has no effect, a sentence each. */
  readonly warnings: readonly string[];
}

const nothingCarried = { carried: null, warnings: [] } as const;

const repositoryPattern = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;
const revisionPattern = /^[\w][\w./-]{0,199}$/;

/**
 * Fails with `model_not_found` for what is none of these, `invalid_parameter` for a path outside the roots or a
 * revision of a path, `weights_missing` for a path where nothing is.
 * @param file which GGUF file of a repository
 */
export async function weightsSource(
  source: string,
  { roots, catalogue }: WeightsPlaces,
  file: string | null = null,
): Promise<WeightsSource> {
  if (isLocalSource(source)) return await ofLocal(source, roots, null, file);
  const { name, revision } = splitRevision(source);
  const row = catalogue.find(name);
  if (row !== null) return await ofRow(row, row.weights, revision, roots, file);
  if (repositoryPattern.test(name)) {
    return ofHub({ kind: "hub", repository: name, revision: revision ?? "main", file }, null);
  }
  throw new ServingError("model_not_found", unknownSource(source, catalogue));
}

/** `owner/name@revision` → both; a revision that no hub could have fails with `invalid_parameter`. */
function splitRevision(source: string): { name: string; revision: string | null } {
  const at = source.indexOf("@");
  if (at < 0) return { name: source, revision: null };
  const revision = source.slice(at + 1);
  if (!revisionPattern.test(revision) || revision.includes("..")) {
    throw refused(
      `source is ${JSON.stringify(source)}; after "@" stands a branch, a tag or a commit of the repository.`,
    );
  }
  return { name: source.slice(0, at), revision };
}

async function ofRow(
  row: CatalogueRow,
  weights: CatalogueWeights,
  revision: string | null,
  roots: readonly string[],
  file: string | null,
): Promise<WeightsSource> {
  if (weights.kind === "hub") {
    const own = { revision: revision ?? weights.revision, file: file ?? weights.file };
    return ofHub({ kind: "hub", repository: weights.repository, ...own }, row);
  }
  if (revision !== null) {
    throw refused(
      `${row.identifier} comes from no repository and has no revision ${JSON.stringify(revision)}.`,
    );
  }
  if (weights.kind === "path") return await ofLocal(weights.path, roots, row, file);
  if (file !== null) throw refused(fileOfNoRepository(file), "/file");
  const { path } = await resolveBuiltInWeights(row, weights);
  const preparation = { kind: "gguf", path } as const;
  return { ...nothingCarried, row, preparation, origin: `file:${path}`, name: row.identifier };
}

function ofHub(source: PreparationSource & { kind: "hub" }, row: CatalogueRow | null): WeightsSource {
  const { repository, revision, file } = source;
  return {
    ...nothingCarried,
    row,
    preparation: source,
    origin: `hub:${repository.toLowerCase()}@${revision}${file === null ? "" : `/${file}`}`,
    name: row?.identifier ?? nameFrom(repository.slice(repository.indexOf("/") + 1)),
  };
}

/** A path under a root, or a model of Ollama's store, which whoever runs the platform filled. */
async function ofLocal(
  source: string,
  roots: readonly string[],
  row: CatalogueRow | null,
  file: string | null,
): Promise<WeightsSource> {
  if (file !== null) throw refused(fileOfNoRepository(file), "/file");
  const allowed = source.startsWith("ollama:") ? [ollamaStore()] : roots;
  // A relative path means nothing between two machines, and is told so with the others.
  if (!isAbsolute(source) && !source.startsWith("ollama:")) await allowedPath(source, roots);
  const found = await resolveSource(source, {
    directory: "/",
    environment: process.env,
    realPath: async (path) => (await allowedPath(path, allowed)).path,
  });
  if (found === null) throw new TypeError(`${source} is local`);
  const { generationConfig, contextLength } = found;
  const isPlain = Object.keys(generationConfig).length === 0 && contextLength === null;
  return {
    row,
    preparation: found.source,
    origin: `file:${found.source.path}`,
    name: row?.identifier ?? found.name,
    carried: isPlain ? null : { generationConfig, contextLength },
    warnings: found.warnings,
  };
}

function ollamaStore(): string {
  return process.env["OLLAMA_MODELS"] || join(process.env["HOME"] || homedir(), ".ollama", "models");
}

const fileOfNoRepository = (file: string) =>
  `file is ${JSON.stringify(file)}; it names one of a hub repository's files, and the source is no repository.`;

/** What is not known, and what was probably meant. */
export function unknownSource(name: string, catalogue: Catalogue = builtInCatalogue): string {
  const near = catalogue.suggest(name);
  const hint =
    near.length === 0
      ? "see `corral ls catalogue`, or name a repository of the hub as owner/name."
      : `did you mean ${near.join(" or ")}?`;
  return `There is no model ${JSON.stringify(name.slice(0, 200))} in the catalogue; ${hint}`;
}

function refused(message: string, pointer = "/source"): ServingError {
  return fieldsError([{ pointer, code: "invalid_parameter", message }]);
}
