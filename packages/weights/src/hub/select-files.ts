// Which files of a repository are needed to run its model. Pure.

import { ServingError } from "@corral/contract";
import { isBesideModel } from "../gguf/beside-model.ts";

export interface ListedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface Selection {
  /** In the order of their download: the small ones first, so that a refusal comes before the long wait. */
  readonly paths: readonly string[];
  /** The GGUF file, the first of its parts where it is split; null: safetensors. */
  readonly gguf: string | null;
  /** Names the shards; it has to be read before the selection is whole. */
  readonly index: string | null;
}

const settingFiles =
  /^(config\.json|generation_config\.json|adapter_config\.json|tokenizer[^/]*|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|chat_template[^/]*|additional_chat_templates\/[^/]+\.jinja)$/;

/** Splits of one GGUF are called `name-00001-of-00003.gguf`. */
const ggufPart = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/**
 * Chooses from the files of `repository`. With `file`, that GGUF and its other parts; else the safetensors of the top
 * folder with their configuration and tokenizer; else the only GGUF. Never `*.bin`, `*.pth` or a second copy in another
 * folder. Fails with `weights_missing` (no such file), `missing_parameter` (several GGUF files) or
 * `weights_unsupported` (no weights of a known kind).
 */
export function selectFiles(
  repository: string,
  files: readonly ListedFile[],
  file: string | null,
): Selection {
  const paths = files.map((entry) => entry.path);
  if (file !== null) return selectGguf(repository, paths, file);
  const safetensors = selectSafetensors(paths);
  if (safetensors !== null) return safetensors;
  const candidates = ggufCandidates(paths);
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return selectGguf(repository, paths, only);
  if (only !== undefined) {
    throw new ServingError(
      "missing_parameter",
      `${repository} has ${candidates.length} GGUF files; name one with \`file\`: ${listed(candidates)}.`,
    );
  }
  const beside = paths.filter((path) => path.endsWith(".gguf") && isBesideModel(path));
  if (beside.length > 0) {
    throw new ServingError(
      "weights_unsupported",
      `${repository} has only ${listed(beside)}, which belong to a model and are none. Choose the repository that has the model.`,
    );
  }
  const others = paths.filter((path) => /\.(bin|pth|pt|h5|msgpack|onnx|ckpt)$/.test(path));
  throw new ServingError(
    "weights_unsupported",
    `${repository} has neither safetensors nor a GGUF file${others.length === 0 ? "" : `, only ${listed(others)}, which may hold code and are not read`}. Choose a repository that has them.`,
  );
}

/** The selection with the shards that its index names. Fails with `weights_missing` where one is not in the repository. */
export function withShards(
  repository: string,
  selection: Selection,
  files: readonly ListedFile[],
  shards: readonly string[],
): Selection {
  const known = new Set(files.map((entry) => entry.path));
  const lost = shards.filter((shard) => !known.has(shard));
  if (lost.length > 0) {
    throw new ServingError(
      "weights_missing",
      `${selection.index} of ${repository} names ${listed(lost)}, which the repository does not have.`,
    );
  }
  const settings = selection.paths.filter((path) => !path.endsWith(".safetensors"));
  return { ...selection, paths: [...settings, ...[...new Set(shards)].toSorted(byName)] };
}

/** The files that an index of shards names. Null: it is none. */
export function shardsOfIndex(text: string): string[] | null {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch {
    return null;
  }
  const map = typeof index === "object" && index !== null && "weight_map" in index ? index.weight_map : null;
  if (typeof map !== "object" || map === null) return null;
  const names = Object.values(map);
  return names.every((name) => typeof name === "string") ? [...new Set(names)] : null;
}

function selectSafetensors(paths: readonly string[]): Selection | null {
  const top = paths.filter((path) => /^[^/]+\.safetensors$/.test(path)).toSorted(byName);
  const index = paths.includes("model.safetensors.index.json") ? "model.safetensors.index.json" : null;
  const shards = index === null ? [] : top.filter((path) => /^model-\d+-of-\d+\.safetensors$/.test(path));
  // One repository may hold the same weights under two names (Mistral's `consolidated`).
  const single = top.includes("model.safetensors")
    ? ["model.safetensors"]
    : top.filter((path) => !path.startsWith("consolidated"));
  const weights = index === null ? single : shards;
  if (weights.length === 0 && index === null) return null;
  const settings = paths.filter((path) => settingFiles.test(path)).toSorted(byName);
  return { paths: [...settings, ...(index === null ? [] : [index]), ...weights], gguf: null, index };
}

function selectGguf(repository: string, paths: readonly string[], file: string): Selection {
  const candidates = ggufCandidates(paths);
  if (!paths.includes(file) || !file.endsWith(".gguf")) {
    throw new ServingError(
      "weights_missing",
      `${repository} has no GGUF file ${JSON.stringify(file)}${candidates.length === 0 ? "." : `; it has ${listed(candidates)}.`}`,
    );
  }
  const [, stem, , count] = ggufPart.exec(file) ?? [];
  const parts =
    stem === undefined ? [file] : paths.filter((path) => isPartOf(path, stem, count)).toSorted(byName);
  if (count !== undefined && parts.length !== Number(count)) {
    throw new ServingError(
      "weights_missing",
      `${file} of ${repository} is one of ${Number(count)} parts, of which the repository has ${parts.length}.`,
    );
  }
  const settings = paths.filter((path) => path === "generation_config.json");
  return { paths: [...settings, ...parts], gguf: parts[0] ?? file, index: null };
}

function isPartOf(path: string, stem: string, count: string | undefined): boolean {
  const match = ggufPart.exec(path);
  return match !== null && match[1] === stem && match[3] === count;
}

/** Models, each once: not the projectors and importance matrices that lie beside them, nor second parts. */
function ggufCandidates(paths: readonly string[]): string[] {
  return paths
    .filter((path) => path.endsWith(".gguf") && !isBesideModel(path))
    .filter((path) => (ggufPart.exec(path)?.[2] ?? "00001") === "00001")
    .toSorted(byName);
}

function listed(paths: readonly string[]): string {
  const shown = paths.slice(0, 8).join(", ");
  return paths.length > 8 ? `${shown} and ${paths.length - 8} more` : shown;
}

const byName = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
