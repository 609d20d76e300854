// Meta's Llama 2 and 3. Sources: the two documented pages (Baseten's of Llama 3, Cerebrium's of Llama 2) for the
// defaults, and for the rest Meta's repositories on the hub: config.json and generation_config.json.

import type { ModelDefaults } from "@corral/contract";
import { llama2ChatTemplate, llama3ChatTemplate } from "./chat-templates.ts";
import type { CatalogueLicense, CatalogueRow } from "./row.ts";

/** Of the Llama 3 page. Whether its beams are drawn is said by the model's generation_config.json. */
export const llama3Defaults: ModelDefaults = {
  max_tokens: 512,
  temperature: 0.1,
  top_p: 0.75,
  top_k: 40,
  num_beams: 4,
};

/** Of the Llama 2 page; its "max_length 100", left out of a call, means 100 new tokens. */
export const llama2Defaults: ModelDefaults = {
  max_new_tokens: 100,
  temperature: 1,
  top_p: 1,
  top_k: 50,
  num_return_sequences: 1,
  do_sample: true,
};

/** What makes the models sample. */
const sampling = { do_sample: true, temperature: 0.6, max_length: 4096, top_p: 0.9 };
const llama2GenerationConfig = { bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, ...sampling };
const llama3GenerationConfig = (eosTokenId: number | readonly number[]) => ({
  bos_token_id: 128_000,
  eos_token_id: eosTokenId,
  ...sampling,
});
const llama3EndOfText = 128_001;
const llama3EndOfTurn = 128_009;

const license = (id: string, name: string, url: string): CatalogueLicense => ({
  id,
  url,
  notice: `Meta gives ${name} under a licence of its own, which whoever uses the model accepts: ${url}`,
});
const llama2License = license("llama2", "Llama 2", "https://www.llama.com/llama2/license/");
const llama3License = license("llama3", "Llama 3", "https://www.llama.com/llama3/license/");

/** The spellings that were in use between 2023 and 2024: `llamav2-7b`, `llama2-7b`, `llama-2-7b`. */
function llama2(size: "7b" | "13b" | "70b", chat: boolean): CatalogueRow {
  const end = chat ? "-chat" : "";
  const repository = `meta-llama/Llama-2-${size}${end}-hf`;
  const spellings = [`llama2-${size}${end}`, `llama-2-${size}${end}`];
  const identifier = `llamav2-${size}${end}`;
  return {
    identifier,
    aliases: [
      ...spellings,
      repository.toLowerCase(),
      `prebuilt-${identifier}`,
      `prebuilt-llama2-${size}${end}`,
    ],
    routes: [identifier, ...spellings].map((name) => `${name}-webhook`),
    title: `Meta Llama 2 ${size.toUpperCase()}${chat ? " Chat" : ""}`,
    standsInFor: [],
    precision: null,
    defaults: llama2Defaults,
    generationConfig: llama2GenerationConfig,
    chatTemplate: chat ? llama2ChatTemplate : null,
    weights: { kind: "hub", repository, revision: "main", file: null },
    license: llama2License,
    quantization: "q4_k_m",
    contextLength: 4096,
  };
}

function llama3(size: "8b" | "70b", instruct: boolean): CatalogueRow {
  const end = instruct ? "-instruct" : "";
  const repository = `meta-llama/Meta-Llama-3-${size.toUpperCase()}${instruct ? "-Instruct" : ""}`;
  const identifier = `llama-3-${size}${end}`;
  return {
    identifier,
    aliases: [
      `llama3-${size}${end}`,
      `meta-llama-3-${size}${end}`,
      repository.toLowerCase(),
      `prebuilt-${identifier}`,
    ],
    routes: [`${identifier}-webhook`, `llama3-${size}${end}-webhook`],
    title: `Meta Llama 3 ${size.toUpperCase()}${instruct ? " Instruct" : ""}`,
    standsInFor: [],
    precision: null,
    // The page is about the models for chats; the other one only gets a length.
    defaults: instruct ? llama3Defaults : { max_new_tokens: 512 },
    generationConfig: llama3GenerationConfig(instruct ? [llama3EndOfText, llama3EndOfTurn] : llama3EndOfText),
    chatTemplate: instruct ? llama3ChatTemplate : null,
    weights: { kind: "hub", repository, revision: "main", file: null },
    license: llama3License,
    quantization: "q4_k_m",
    contextLength: 8192,
  };
}

export const llamaRows: readonly CatalogueRow[] = [
  llama3("8b", true),
  llama3("8b", false),
  llama3("70b", true),
  llama2("7b", false),
  llama2("7b", true),
  llama2("13b", false),
  llama2("13b", true),
  llama2("70b", false),
  llama2("70b", true),
];
