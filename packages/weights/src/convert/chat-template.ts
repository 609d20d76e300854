// A directory's chat templates: in tokenizer_config.json or in files of their own. Source: llama.cpp v0.5.0,
// gguf-py/gguf/vocab.py (_try_load_from_tokenizer_json) and gguf_writer.py (add_chat_template).

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { listOf, objectOf, readJson, readText, type JsonObject } from "./files.ts";
import { text, type Metadata } from "./model-metadata.ts";

interface NamedTemplate {
  readonly name: string;
  readonly template: string;
}

const additionalFolder = "additional_chat_templates";

/** Templates count only beside a tokenizer_config.json, whose own win. */
export async function chatTemplateMetadata(
  directory: string,
  tokenizerConfig: JsonObject | null,
): Promise<Metadata> {
  if (tokenizerConfig === null || Object.keys(tokenizerConfig).length === 0) return {};
  const own = tokenizerConfig["chat_template"];
  return templateMetadata(own === undefined ? await readFiles(directory) : namedTemplates(own));
}

async function readFiles(directory: string): Promise<readonly NamedTemplate[]> {
  const main = await readText(directory, "chat_template.jinja");
  if (main === null) {
    const file = await readJson(directory, "chat_template.json");
    return namedTemplates(file?.["chat_template"]);
  }
  const folder = join(directory, additionalFolder);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".jinja")).toSorted();
  const others = await Promise.all(
    names.map(async (name) => ({
      name: basename(name, ".jinja"),
      template: (await readText(folder, name)) ?? "",
    })),
  );
  return [{ name: "default", template: main }, ...others];
}

function namedTemplates(value: unknown): NamedTemplate[] {
  if (typeof value === "string") return [{ name: "default", template: value }];
  return listOf(value)
    .map(objectOf)
    .flatMap(({ name, template }) =>
      typeof name === "string" && typeof template === "string" ? [{ name, template }] : [],
    );
}

function templateMetadata(templates: readonly NamedTemplate[]): Metadata {
  const metadata: Metadata = {};
  const names: string[] = [];
  for (const { name, template } of templates) {
    const plain = name.replaceAll(/[^A-Za-z0-9]/gu, "_");
    if (plain === "" || plain === "default") continue;
    if (!names.includes(plain)) names.push(plain);
    if (template !== "") metadata[`tokenizer.chat_template.${plain}`] = text(template);
  }
  if (names.length > 0) metadata["tokenizer.chat_templates"] = { type: "strings", items: names };
  const main = templates.findLast(({ name }) => name === "default")?.template;
  if (main !== undefined && main !== "") metadata["tokenizer.chat_template"] = text(main);
  return metadata;
}
