// What a person writes for weights that this machine has → where they lie and what they are called. Names of the
// catalogue and of the hub are others' business.

import { lstat, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { isServingError, nameFrom } from "@corral/contract";
import { checkGgufParts, missingPart } from "../gguf/check.ts";
import { isFirstPart, partOf, pathsByName } from "../gguf/split.ts";
import { cachedRepository } from "./hub-cache.ts";
import { inspectModelDirectory } from "./model-directory.ts";
import { ollamaModel } from "./ollama-store.ts";
import { missing, unsupported, type LocalSource, type SourceOptions } from "./source.ts";

const ollamaPrefix = "ollama:";

/** Whether a text names something of this machine, and not a model of the catalogue or the hub. */
export function isLocalSource(text: string): boolean {
  return (
    isAbsolute(text) ||
    /^\.{1,2}(\/|$)/.test(text) ||
    text.toLowerCase().endsWith(".gguf") ||
    text.startsWith(ollamaPrefix)
  );
}

/**
 * A GGUF file, a directory of Hugging Face's or of GGUF files, a repository in the Hugging Face cache, or
 * `ollama:NAME`; null for any other text. Nothing is copied. Fails with `weights_missing`, `weights_unsupported` or
 * `weights_unreadable`, which name the file and what to do, and with what `realPath` fails with.
 */
export async function resolveSource(text: string, options: SourceOptions): Promise<LocalSource | null> {
  if (!isLocalSource(text)) return null;
  if (text.startsWith(ollamaPrefix)) return await ofOllama(text.slice(ollamaPrefix.length), options);
  const asked = resolve(options.directory, text);
  const real = await options.realPath(asked);
  // llama.cpp finds the other parts by the name of the first, which a link's target need not have.
  const path = partOf(asked) === null ? real : asked;
  const cached = (await isDirectory(path)) ? await cachedRepository(path) : null;
  if (cached !== null) return await ofCache(cached, options);
  const content = (await isDirectory(path))
    ? await inspectModelDirectory(path, options)
    : { kind: "gguf" as const, path };
  const source = content.kind === "gguf" ? content : { kind: "directory" as const, path };
  if (source.kind === "gguf") await checkFile(source.path, options);
  return {
    ...nothingCarried,
    kind: source.kind === "gguf" ? "gguf" : "model_directory",
    source,
    name: nameFrom(nameOfFile(basename(asked))),
  };
}

/** The real path of what anybody who runs this process may read. */
export async function anyRealPath(path: string): Promise<string> {
  return await realpath(path).catch((cause: unknown) => {
    throw missing(`file or directory ${path}`, "check the path", cause);
  });
}

const nothingCarried = {
  repository: null,
  revision: null,
  generationConfig: {},
  contextLength: null,
  warnings: [],
} as const;

async function ofOllama(text: string, options: SourceOptions): Promise<LocalSource> {
  const { path, name, ...carried } = await ollamaModel(text, options);
  await checkFile(path, options);
  return {
    ...nothingCarried,
    ...carried,
    kind: "ollama",
    source: { kind: "gguf", path },
    name: nameFrom(name),
  };
}

async function ofCache(
  { repository, revision, snapshot }: NonNullable<Awaited<ReturnType<typeof cachedRepository>>>,
  options: SourceOptions,
): Promise<LocalSource> {
  const directory = await options.realPath(snapshot);
  const content = await inspectModelDirectory(directory, options);
  const source = content.kind === "gguf" ? content : { kind: "directory" as const, path: directory };
  if (source.kind === "gguf") await checkFile(source.path, options);
  const name = nameFrom(repository.slice(repository.indexOf("/") + 1));
  return { ...nothingCarried, kind: "hub_cache", source, name, repository, revision };
}

/** The header of the file, and of all others where it is the first of several. */
async function checkFile(path: string, { realPath }: SourceOptions): Promise<void> {
  const part = partOf(path);
  if (part !== null && !isFirstPart(path)) {
    const [first = path] = pathsByName(path);
    throw unsupported(
      path,
      `it is part ${part.number} of ${part.count}; name the first one, ${basename(first)}`,
    );
  }
  for (const other of part === null ? [] : pathsByName(path)) {
    await realPath(other).catch((error: unknown) => {
      throw isServingError(error) && error.code === "weights_missing"
        ? missingPart(other, part?.count ?? 1, error)
        : error;
    });
  }
  // What is read beside it may be a link as well.
  const beside = join(dirname(path), "generation_config.json");
  if (await isThere(beside)) await realPath(beside);
  await checkGgufParts(path);
}

/** `My Model.Q4_0-00001-of-00003.gguf` → `My Model.Q4_0`. */
function nameOfFile(name: string): string {
  return partOf(name)?.stem ?? name.replace(/\.gguf$/i, "");
}

/** Also as a link that leads nowhere. */
async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}
