// What GGUF says of a model's origin: name, licence, what it is based on, how it likes to be sampled. Source: llama.cpp
// v0.5.0, gguf-py/gguf/metadata.py (Metadata.load, apply_metadata_heuristic, set_gguf_meta_model).

import { basename, resolve } from "node:path";
import { isObject, readJson, type JsonObject } from "./files.ts";
import { readModelCard } from "./model-card.ts";
import { namePartsOf, sizeLabelOf, titleOf } from "./model-names.ts";
import { f32, i32, text, u32, type Metadata } from "./model-metadata.ts";

export interface OriginOptions {
  /** Of the model itself, or of the adapter. */
  readonly directory: string;
  /** Negative for an adapter, whose count is not exact. */
  readonly parameterCount: number;
  readonly modelName?: string;
}

/** What is read of the directory, where it is there. */
export const originFileNames: readonly string[] = ["README.md", "config.json", "generation_config.json"];

const nameFields = ["name", "organization", "basename", "finetune", "version", "size_label"] as const;
type NameField = (typeof nameFields)[number];

/** In the order in which the converter writes them. */
export async function generalMetadata({
  directory,
  parameterCount,
  modelName,
}: OriginOptions): Promise<Metadata> {
  const card = await readModelCard(directory);
  const config = (await readJson(directory, "config.json").catch(() => null)) ?? {};
  const generation = (await readJson(directory, "generation_config.json").catch(() => null)) ?? {};
  const folder = basename(resolve(directory));
  const names = nameMetadata(card, config["_name_or_path"], folder, parameterCount);
  const sizeLabel = names.size_label ?? (parameterCount > 0 ? sizeLabelOf(parameterCount) : null);
  const field = (...keys: string[]) => firstText(card, keys);
  return {
    ...samplingMetadata(generation),
    ...optionalText("general.name", modelName ?? names.name ?? folder),
    ...optionalText("general.author", field("author", "model_author", "model_creator")),
    ...optionalText("general.version", names.version),
    ...optionalText("general.organization", names.organization),
    ...optionalText("general.finetune", names.finetune),
    ...optionalText("general.basename", names.basename),
    ...optionalText("general.description", field("description", "model_description")),
    ...optionalText("general.size_label", sizeLabel),
    ...optionalText("general.license", licenseOf(card)),
    ...optionalText("general.license.name", field("license_name")),
    ...optionalText("general.license.link", field("license_link")),
    ...optionalText("general.source.url", field("url", "model_url")),
    ...optionalText("general.source.doi", field("doi", "model_doi")),
    ...optionalText("general.source.uuid", field("uuid", "model_uuid")),
    ...optionalText("general.source.repo_url", field("repo_url", "model_repo_url")),
    ...relatives("base_model", ["base_model", "base_models", "base_model_sources"], card, parameterCount),
    ...relatives("dataset", ["datasets", "dataset", "dataset_sources"], card, parameterCount),
    ...optionalTexts("general.tags", [...textsOf(card["tags"]), ...textsOf(card["pipeline_tag"])]),
    ...optionalTexts("general.languages", [...textsOf(card["languages"]), ...textsOf(card["language"])]),
  };
}

/** From the card, else from the name it was saved under, else from the directory's name. */
function nameMetadata(
  card: JsonObject,
  savedAs: unknown,
  folder: string,
  parameterCount: number,
): Record<NameField, string | null> {
  const found: Record<NameField, string | null> = {
    name: firstText(card, ["name", "model_name"]),
    organization: firstText(card, ["organization", "model_organization"]),
    basename: firstText(card, ["basename", "model_basename", "model_type"]),
    finetune: firstText(card, ["finetune", "model_finetune"]),
    version: firstText(card, ["version", "model_version"]),
    size_label: firstText(card, ["size_label", "model_size_label"]),
  };
  // More slashes are those of a path on somebody's machine.
  const isId = typeof savedAs === "string" && savedAs.split("/").length <= 2;
  for (const id of [...(isId ? [savedAs] : []), folder]) {
    const parts = namePartsOf(id, parameterCount);
    found.name ??= parts.fullName === null ? null : titleOf(parts.fullName);
    found.organization ??= parts.organization === null ? null : titleOf(parts.organization);
    found.basename ??= parts.baseName;
    found.finetune ??= parts.purpose;
    found.version ??= parts.version;
    found.size_label ??= parts.sizeLabel;
  }
  return found;
}

function samplingMetadata(generation: JsonObject): Metadata {
  const metadata: Metadata = {};
  const put = (key: string, value: unknown, type: (number: number) => Metadata[string]) => {
    if (typeof value === "number") metadata[`general.sampling.${key}`] = type(value);
  };
  if (typeof generation["sequence"] === "string")
    Object.assign(metadata, optionalText("general.sampling.sequence", generation["sequence"]));
  put("top_k", generation["top_k"], i32);
  put("top_p", generation["top_p"], f32);
  put("min_p", generation["min_p"], f32);
  put("xtc_probability", generation["xtc_probability"], f32);
  put("xtc_threshold", generation["xtc_threshold"], f32);
  put("temp", generation["temperature"], f32);
  put("penalty_last_n", generation["penalty_last_n"], i32);
  const { penalty_repeat: repeat = generation["repetition_penalty"] } = generation;
  put("penalty_repeat", repeat, f32);
  put("mirostat", generation["mirostat"], i32);
  put("mirostat_tau", generation["mirostat_tau"], f32);
  put("mirostat_eta", generation["mirostat_eta"], f32);
  return metadata;
}

/** What a model was made of, each with what its id or address tells. */
function relatives(
  kind: "base_model" | "dataset",
  keys: readonly string[],
  card: JsonObject,
  parameterCount: number,
): Metadata {
  const key = keys.find((name) => name in card);
  if (key === undefined) return {};
  const value = card[key];
  const entries: readonly unknown[] = Array.isArray(value) ? value : typeof value === "string" ? [value] : [];
  const metadata: Metadata = { [`general.${kind}.count`]: u32(entries.length) };
  for (const [index, entry] of entries.entries()) {
    const about: JsonObject =
      typeof entry === "string" ? relativeOf(entry, parameterCount) : isObject(entry) ? entry : {};
    for (const name of [
      "name",
      "author",
      "version",
      "organization",
      "description",
      "url",
      "doi",
      "uuid",
      "repo_url",
    ])
      Object.assign(metadata, optionalText(`general.${kind}.${index}.${name}`, asText(about[name])));
  }
  return metadata;
}

function relativeOf(id: string, parameterCount: number): JsonObject {
  const isAddress = /^(https?|ssh):\/\//.test(id);
  const [, path] = isAddress ? (/^https?:\/\/huggingface.co\/([^/]+\/[^/]+)$/.exec(id) ?? []) : [id, id];
  if (path === undefined) return { repo_url: id };
  const { fullName, organization, version } = namePartsOf(path, parameterCount);
  const address =
    organization === null || fullName === null ? null : `https://huggingface.co/${organization}/${fullName}`;
  return {
    name: fullName === null ? null : titleOf(fullName),
    organization: organization === null ? null : titleOf(organization),
    version,
    repo_url: isAddress ? id : address,
  };
}

function licenseOf(card: JsonObject): string | null {
  const { license } = card;
  return Array.isArray(license) ? license.map(String).join(",") : asText(license);
}

function firstText(card: JsonObject, keys: readonly string[]): string | null {
  for (const key of keys) {
    const value = asText(card[key]);
    if (value !== null) return value;
  }
  return null;
}

/** A version such as 1.0 is a number in YAML. */
function asText(value: unknown): string | null {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}

function textsOf(value: unknown): string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.map(asText).filter((item) => item !== null);
}

function optionalText(key: string, value: string | null): Metadata {
  return value === null || value === "" ? {} : { [key]: text(value) };
}

function optionalTexts(key: string, items: readonly string[]): Metadata {
  return items.length === 0 ? {} : { [key]: { type: "strings", items } };
}
