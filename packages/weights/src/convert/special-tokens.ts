// Which tokens have a role and which are added to a text by themselves. Source: llama.cpp v0.5.0,
// gguf-py/gguf/vocab.py, SpecialVocab; roles that GGUF has no key for are left out there, too.

import { tokenContent } from "./tokenizer-json.ts";
import { isObject, listOf, objectOf, unreadable, type JsonObject } from "./files.ts";
import { bool, u32, type Metadata } from "./model-metadata.ts";

export interface SpecialTokenSources {
  readonly tokenizer: JsonObject | null;
  /** tokenizer_config.json */
  readonly tokenizerConfig: JsonObject | null;
  /** config.json */
  readonly modelConfig: JsonObject;
  /** Ids from here on do not count; null: all do. */
  readonly tokenCount: number | null;
  readonly path: string;
}

const idKeys: Readonly<Record<string, string>> = {
  bos: "bos_token_id",
  eos: "eos_token_id",
  unk: "unknown_token_id",
  sep: "seperator_token_id",
  pad: "padding_token_id",
  mask: "mask_token_id",
  eot: "eot_token_id",
  eom: "eom_token_id",
};
const addableRoles = ["bos", "eos", "sep"];

/** Ids in the order in which they were found, then what is added. */
export function specialTokenMetadata(sources: SpecialTokenSources): Metadata {
  const roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];
  const named: Record<string, unknown> = { ...sources.tokenizerConfig };
  const adds = new Map<string, boolean>();
  if (sources.tokenizer !== null)
    readPostProcessor(sources.tokenizer, named, adds, roles, sources.tokenizerConfig);
  const ids = new Map<string, number>();
  const setId = (role: string, id: unknown): void => {
    if (typeof id !== "number" || !Number.isInteger(id)) return;
    if (id < 0) throw unreadable(sources.path, `the ${role} token has the id ${id}`);
    if ((sources.tokenCount === null || id < sources.tokenCount) && !ids.has(role)) ids.set(role, id);
  };
  if (Object.keys(named).length > 0) {
    const added = listOf(sources.tokenizer?.["added_tokens"]).map(objectOf);
    for (const role of roles) {
      const isAdded = named[`add_${role}_token`];
      if (typeof isAdded === "boolean") adds.set(role, isAdded);
      const content = tokenContent(named[`${role}_token`]);
      if (content !== null) setId(role, added.find((token) => token["content"] === content)?.["id"]);
    }
  }
  for (const role of roles) setId(role, sources.modelConfig[`${role}_token_id`]);

  const metadata: Metadata = {};
  for (const [role, id] of ids) {
    const key = idKeys[role];
    if (key !== undefined) metadata[`tokenizer.ggml.${key}`] = u32(id);
  }
  for (const [role, isAdded] of adds)
    if (addableRoles.includes(role)) metadata[`tokenizer.ggml.add_${role}_token`] = bool(isAdded);
  return metadata;
}

/**
 * What tokenizer.json puts around a text. It also tells roles that tokenizer_config.json leaves open: `named` and
 * `roles` get those.
 */
function readPostProcessor(
  tokenizer: JsonObject,
  named: Record<string, unknown>,
  adds: Map<string, boolean>,
  roles: string[],
  tokenizerConfig: JsonObject | null,
): void {
  const hasConfig = tokenizerConfig !== null && Object.keys(tokenizerConfig).length > 0;
  const special = {
    bos: named["bos_token"],
    eos: named["eos_token"],
    cls: named["cls_token"],
    sep: named["sep_token"],
  };
  if (hasConfig && !special.bos && special.cls) named["bos_token"] = special.bos = special.cls;
  if (hasConfig && !special.eos && special.sep) named["eos_token"] = special.eos = special.sep;
  const post = tokenizer["post_processor"];
  if (!isObject(post)) return;
  const processors = Array.isArray(post["processors"]) ? (post["processors"] as unknown[]) : [post];
  for (const processor of processors.map(objectOf)) {
    if (processor["type"] === "RobertaProcessing") {
      for (const role of addableRoles) adds.set(role, true);
    } else if (processor["type"] === "TemplateProcessing") {
      const single = listOf(processor["single"]);
      const { first, last } = readSingle(single);
      if (first !== null) {
        if (!hasConfig) special.bos = first;
        else if (first !== special.bos && first !== special.cls) {
          if (!special.bos) named["bos_token"] = special.bos = first;
          if (!special.cls) named["cls_token"] = special.cls = first;
        }
        adds.set("bos", first === special.bos || first === special.cls);
      }
      if (last !== null) {
        if (!hasConfig) special.eos = last;
        else if (last !== special.eos) {
          // The end of a text becomes the end token; the one that was it keeps a role of its own.
          const free = ["eot", "eom"].find((role) => !roles.includes(role));
          if (free !== undefined) {
            roles.push(free);
            named[`${free}_token`] = special.eos;
          }
          named["eos_token"] = special.eos = last;
        }
        adds.set("eos", last === special.eos);
      }
      const between = readBetween(listOf(processor["pair"]), first, last);
      if (between === null) continue;
      const isSeparator = (token: string | null) =>
        token !== null && (token === special.sep || token === special.eos);
      const addsSeparator =
        (isSeparator(between[0] ?? null) && last === null) ||
        (between.length === 2 && isSeparator(between[1] ?? null));
      adds.set("sep", addsSeparator);
      if (addsSeparator && !special.sep && hasConfig) named["sep_token"] = special.eos;
    }
  }
}

/** The special tokens before and after one text. */
function readSingle(single: readonly unknown[]): { first: string | null; last: string | null } {
  if (single.length < 2) return { first: null, last: null };
  return { first: specialOf(single[0]), last: specialOf(single.at(-1)) };
}

/** The special tokens between the texts A and B; null where the pair is none or nothing stands between. */
function readBetween(
  pair: readonly unknown[],
  first: string | null,
  last: string | null,
): readonly (string | null)[] | null {
  const start = first !== null && specialOf(pair[0]) === first ? 1 : 0;
  const end = last !== null && specialOf(pair.at(-1)) === last ? -1 : pair.length;
  const inner = pair.slice(start, end);
  const isPair = sequenceOf(inner[0]) === "A" && sequenceOf(inner.at(-1)) === "B";
  return isPair && inner.length > 2 ? inner.slice(1, -1).map(specialOf) : null;
}

function specialOf(entry: unknown): string | null {
  const id = objectOf(objectOf(entry)["SpecialToken"])["id"];
  return typeof id === "string" && id !== "" ? id : null;
}

function sequenceOf(entry: unknown): unknown {
  return objectOf(objectOf(entry)["Sequence"])["id"];
}
