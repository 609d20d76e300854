// A directory with a model as people have them: Hugging Face's files, or GGUF files. Looks at names and small files
// only; what is in the weights is checked by whoever reads them.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isBesideModel } from "../gguf/beside-model.ts";
import { isFirstPart, partOf } from "../gguf/split.ts";
import { isObject, readJsonObject } from "./read-json.ts";
import { missing, unreadable, unsupported, type SourceOptions } from "./source.ts";

export type DirectoryContent =
  | { readonly kind: "directory" }
  /** The file of a directory that holds one model as GGUF. */
  | { readonly kind: "gguf"; readonly path: string };

const indexFile = "model.safetensors.index.json";
/** What conversion reads besides weights and vocabularies. */
const settingFiles = [
  "config.json",
  "generation_config.json",
  "tokenizer_config.json",
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "README.md",
];
const templateFolder = "additional_chat_templates";
const tokenizerFiles = ["tokenizer.json", "tokenizer.model", "vocab.json"];

/**
 * What a directory holds. Fails with `weights_missing` where files of a model are absent, with `weights_unsupported`
 * for one of another kind; both name the file and what to do. Every file that will be read must be allowed.
 */
export async function inspectModelDirectory(
  directory: string,
  { realPath }: Pick<SourceOptions, "realPath">,
): Promise<DirectoryContent> {
  const names = (await readdir(directory)).toSorted((a, b) => (a < b ? -1 : 1));
  const has = (name: string) => names.includes(name);
  const ggufs = names.filter((name) => name.toLowerCase().endsWith(".gguf"));
  if (has(indexFile)) await realPath(join(directory, indexFile));
  const shards = has(indexFile)
    ? await shardsOf(join(directory, indexFile))
    : names.filter((name) => name.endsWith(".safetensors") && !name.startsWith("adapter"));

  if (shards.length === 0 && ggufs.length > 0) {
    const path = join(directory, onlyModel(directory, ggufs));
    const real = await realPath(path);
    // llama.cpp finds the other parts by the name of the first, which a link's target need not have.
    return { kind: "gguf", path: partOf(path) === null ? real : path };
  }
  if (has("config.yaml") && !has("config.json")) {
    throw unsupported(
      directory,
      `it holds a config.yaml, so it is a model directory of Corral: \`corral push ${directory}\` deploys it`,
    );
  }
  if (has("adapter_config.json") && !has("config.json")) {
    throw unsupported(
      directory,
      "it holds an adapter (adapter_config.json) without a model: name its base model",
    );
  }
  if (!has("config.json")) {
    throw missing(
      join(directory, "config.json"),
      "the directory of a Hugging Face model has one: fetch the whole repository",
    );
  }
  if (shards.length === 0) throw withoutWeights(directory, names);
  if (!tokenizerFiles.some(has)) {
    throw missing(
      join(directory, "tokenizer.json"),
      `a model needs one of ${tokenizerFiles.join(", ")}: fetch it from the model's repository`,
    );
  }
  const absent = shards.find((name) => !has(name));
  if (absent !== undefined) {
    throw missing(
      join(directory, absent),
      `${indexFile} names ${shards.length} files and this one is absent: fetch it again`,
    );
  }
  for (const name of [...settingFiles, ...tokenizerFiles, ...shards])
    if (has(name)) await realPath(join(directory, name));
  if (has(templateFolder)) {
    const folder = await realPath(join(directory, templateFolder));
    for (const name of await readdir(folder).catch(() => [])) await realPath(join(folder, name));
  }
  return { kind: "directory" };
}

/** The one model among GGUF files; parts of one count once, and what goes beside a model does not count. */
function onlyModel(directory: string, names: readonly string[]): string {
  const models = names.filter((name) => !isBesideModel(name));
  if (models.length === 0) {
    throw missing(
      join(directory, "the model as GGUF"),
      `${names.slice(0, 5).join(", ")} belongs to a model and is none: fetch the model, too`,
    );
  }
  const firsts = models.filter((name) => partOf(name) === null || isFirstPart(name));
  const [only] = firsts;
  if (only !== undefined && firsts.length === 1) return only;
  if (only === undefined) {
    const part = models[0] ?? "";
    throw missing(
      join(directory, "the first part of the model"),
      `${part} is one of several: fetch the others, too`,
    );
  }
  throw unsupported(
    directory,
    `it holds ${firsts.length} models (${firsts.slice(0, 5).join(", ")}${firsts.length > 5 ? ", …" : ""}): name one of the files`,
  );
}

async function shardsOf(path: string): Promise<readonly string[]> {
  const index = await readJsonObject(path);
  const map = index?.["weight_map"];
  if (!isObject(map)) throw unreadable(path, "it has no weight_map");
  const names = new Set<string>();
  for (const name of Object.values(map)) {
    // A path would lead out of the directory.
    if (typeof name !== "string" || !/^[^/\\]+\.safetensors$/.test(name)) {
      throw unreadable(
        path,
        `its weight_map names ${JSON.stringify(name)}, which is no file of this directory`,
      );
    }
    names.add(name);
  }
  if (names.size === 0) throw unreadable(path, "its weight_map is empty");
  return [...names].toSorted((a, b) => (a < b ? -1 : 1));
}

/** Weights of PyTorch are programs that run when they are read. */
function withoutWeights(directory: string, names: readonly string[]) {
  const pickled = names.find((name) =>
    /^(pytorch_model.*\.bin|consolidated.*\.pth|.*\.(pt|pth|ckpt))$/.test(name),
  );
  if (pickled !== undefined) {
    return unsupported(
      join(directory, pickled),
      "it is a PyTorch file, which may run code when it is read. Save the model as safetensors with transformers' " +
        "save_pretrained, or fetch a revision of it that has them",
    );
  }
  const other = names.find((name) => /\.(h5|msgpack|onnx|mlmodel|npz)$/.test(name));
  if (other !== undefined) return unsupported(join(directory, other), "only safetensors and GGUF are read");
  return missing(
    join(directory, "model.safetensors"),
    "the directory holds no weights: fetch the whole repository",
  );
}
