// Models that Ollama has on this machine: a name → the GGUF among its blobs, which is used where it lies.
// Source: Ollama's docs and server/modelpath.go: manifests/HOST/NAMESPACE/NAME/TAG, blobs/sha256-HEX.

import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { nearestName } from "@corral/contract";
import { ollamaParameters, type CarriedParameters } from "./ollama-parameters.ts";
import { isObject, readJsonObject } from "./read-json.ts";
import { missing, unreadable, unsupported, type SourceOptions } from "./source.ts";

const defaultHost = "registry.ollama.ai";
const mediaPrefix = "application/vnd.ollama.image.";
const mostManifests = 1000;

export interface OllamaModel extends CarriedParameters {
  /** Of the GGUF; a blob has no ending. */
  readonly path: string;
  readonly name: string;
}

interface OllamaName {
  readonly host: string;
  readonly namespace: string;
  readonly name: string;
  readonly tag: string;
}

export function ollamaDirectory(environment: SourceOptions["environment"]): string {
  return environment["OLLAMA_MODELS"] || join(environment["HOME"] || homedir(), ".ollama", "models");
}

/**
 * @param text what stands after `ollama:`, such as "llama3.2", "llama3.2:1b" or "someone/model:tag"
 * Fails with `weights_missing` and the nearest names, with `weights_unsupported` for adapters, and with
 * `weights_unreadable` for a store that is damaged.
 */
export async function ollamaModel(
  text: string,
  { environment, realPath }: SourceOptions,
): Promise<OllamaModel> {
  const store = ollamaDirectory(environment);
  const name = parseName(text);
  const manifestPath =
    name === null ? null : join(store, "manifests", name.host, name.namespace, name.name, name.tag);
  const manifest = manifestPath === null ? null : await readJsonObject(manifestPath);
  if (name === null || manifestPath === null || manifest === null) {
    throw missing(`model ${JSON.stringify(text)} in Ollama's store ${store}`, await othersText(store, text));
  }
  const layers = layersOf(manifest, manifestPath);
  const model = layers.find(({ type }) => type === "model");
  if (model === undefined) throw unreadable(manifestPath, "it names no layer with a model");
  if (layers.some(({ type }) => type === "adapter")) {
    throw unsupported(manifestPath, "it is an adapter over another model, and only whole models are taken");
  }
  const blob = (digest: string) => join(store, "blobs", digest.replace(":", "-"));
  const pull = `run \`ollama pull ${text}\` again`;
  const path = await realPath(blob(model.digest)).catch((error: unknown) => {
    if (isMissing(error)) throw missing(blob(model.digest), `${manifestPath} names it: ${pull}`, error);
    throw error;
  });
  const digest = layers.find(({ type }) => type === "params")?.digest;
  const parameters = digest === undefined ? {} : await readJsonObject(blob(digest));
  if (parameters === null) throw missing(blob(digest ?? ""), `${manifestPath} names it: ${pull}`);
  const carried = ollamaParameters(parameters);
  const ignored = layers.flatMap(({ type }) => ignoredLayers[type] ?? []);
  return { ...carried, path, name: modelName(name), warnings: [...carried.warnings, ...ignored] };
}

const ignoredLayers: Readonly<Record<string, readonly string[]>> = {
  template: [
    "Ollama's prompt template has no effect: conversations are rendered with the chat template in the weights.",
  ],
  system: ["Ollama's system prompt has no effect: send it as a message with the role system."],
  messages: ["Ollama's example messages have no effect: send them with the conversation."],
  projector: ["The part of the model that sees pictures is not loaded: it answers to text alone."],
};

function modelName({ name, tag }: OllamaName): string {
  return tag === "latest" ? name : `${name}-${tag}`;
}

/** Null for what cannot be one, so that no name leads out of the store. */
function parseName(text: string): OllamaName | null {
  const [, path = "", tag = "latest"] = /^([^:]+(?::\d+\/[^:]+)?)(?::([^:/]+))?$/.exec(text) ?? [];
  const parts = path.split("/");
  const [name, namespace = "library", host = defaultHost] = parts.toReversed();
  const isPlain = [...parts, tag].every((part) => /^[\w][\w.:-]*$/.test(part));
  if (name === undefined || parts.length > 3 || !isPlain) return null;
  return { host, namespace, name, tag };
}

interface Layer {
  /** Without Ollama's prefix. */
  readonly type: string;
  readonly digest: string;
}

function layersOf(manifest: Readonly<Record<string, unknown>>, path: string): readonly Layer[] {
  const layers = manifest["layers"];
  if (!Array.isArray(layers)) throw unreadable(path, "it is no manifest of Ollama's: it has no layers");
  return layers.map((layer: unknown) => {
    const { mediaType, digest } = isObject(layer) ? layer : {};
    if (
      typeof mediaType !== "string" ||
      typeof digest !== "string" ||
      !/^sha256:[0-9a-f]{64}$/.test(digest)
    ) {
      throw unreadable(path, "one of its layers has no media type or no digest");
    }
    return {
      type: mediaType.startsWith(mediaPrefix) ? mediaType.slice(mediaPrefix.length) : mediaType,
      digest,
    };
  });
}

/** The names that are there, nearest first. */
async function othersText(store: string, text: string): Promise<string> {
  const names = await storedNames(store);
  if (names.length === 0) return "it holds none: is OLLAMA_MODELS set as Ollama has it?";
  const near =
    nearestName(text.replace(/:latest$/, ""), names) ?? names.find((name) => name.startsWith(text));
  if (near !== undefined) return `did you mean ollama:${near}?`.replace(/\?$/, "? Else pull it with Ollama");
  return `it has ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`;
}

async function storedNames(store: string): Promise<readonly string[]> {
  const root = join(store, "manifests");
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .slice(0, mostManifests)
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .split("/"),
    )
    .filter((parts) => parts.length >= 4)
    .map((parts) => {
      const [tag = "", name = "", namespace = "", host = ""] = parts.toReversed();
      const place =
        host === defaultHost ? (namespace === "library" ? "" : `${namespace}/`) : `${host}/${namespace}/`;
      return `${place}${name}${tag === "latest" ? "" : `:${tag}`}`;
    })
    .toSorted((a, b) => (a < b ? -1 : 1));
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "weights_missing";
}
