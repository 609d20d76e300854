// The models that Corral knows by name: identifiers, aliases, routes, defaults, and where built-in weights lie.
// Rows are data; adding a model is adding a row. Sources of the defaults: the two documented pages,
// Baseten's of Llama 3 and Cerebrium's of Llama 2.

import { editDistance, type ModelDefaults, type Precision } from "@corral/contract";

export interface CatalogueRow {
  readonly identifier: string;
  /** Other spellings of the identifier, in lower case. */
  readonly aliases: readonly string[];
  /** First path segments that lead here beside the identifier and its aliases. */
  readonly routes: readonly string[];
  readonly title: string;
  /** Identifiers of rows whose calls this model answers while their own weights are not there. */
  readonly standsInFor: readonly string[];
  /** Null: `default`. */
  readonly precision: Precision | null;
  /** Merged over generation_config.json, under the caller's values; by their wire names. */
  readonly defaults: ModelDefaults;
  /** The model's own generation_config.json, for a weights file that has none beside it: a GGUF carries none. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  readonly weights:
    /** In the checkout, under this directory of models/. */
    | { readonly kind: "built_in"; readonly directory: string }
    /** Brought by the operator; `source` names where the weights come from. */
    | { readonly kind: "own"; readonly source: string };
}

/** Of the Llama 3 page. Whether its beams are drawn is said by the model's generation_config.json. */
const llama3Defaults: ModelDefaults = {
  max_tokens: 512,
  temperature: 0.1,
  top_p: 0.75,
  top_k: 40,
  num_beams: 4,
};

/** Of the Llama 2 page; its "max_length 100", left out of a call, means 100 new tokens. */
const llama2Defaults: ModelDefaults = {
  max_new_tokens: 100,
  temperature: 1,
  top_p: 1,
  top_k: 50,
  num_return_sequences: 1,
  do_sample: true,
};

/** As Meta's repositories have it; what makes the models sample. */
const llama3GenerationConfig = {
  bos_token_id: 128_000,
  eos_token_id: [128_001, 128_009],
  do_sample: true,
  temperature: 0.6,
  max_length: 4096,
  top_p: 0.9,
};
const llama2GenerationConfig = {
  bos_token_id: 1,
  eos_token_id: 2,
  pad_token_id: 0,
  do_sample: true,
  temperature: 0.6,
  max_length: 4096,
  top_p: 0.9,
};

export const catalogue: readonly CatalogueRow[] = [
  {
    identifier: "llama-3-8b-instruct",
    aliases: [
      "llama3-8b-instruct",
      "meta-llama-3-8b-instruct",
      "meta-llama/meta-llama-3-8b-instruct",
      "prebuilt-llama-3-8b-instruct",
    ],
    routes: ["llama-3-8b-instruct-webhook", "llama3-8b-instruct-webhook"],
    title: "Meta Llama 3 8B Instruct",
    standsInFor: [],
    precision: null,
    defaults: llama3Defaults,
    generationConfig: llama3GenerationConfig,
    weights: { kind: "own", source: "meta-llama/Meta-Llama-3-8B-Instruct" },
  },
  {
    identifier: "llamav2-7b",
    aliases: [
      "llama2-7b",
      "llama-2-7b",
      "meta-llama/llama-2-7b-hf",
      "prebuilt-llamav2-7b",
      "prebuilt-llama2-7b",
    ],
    routes: ["llamav2-7b-webhook", "llama2-7b-webhook", "llama-2-7b-webhook"],
    title: "Meta Llama 2 7B",
    standsInFor: [],
    precision: null,
    defaults: llama2Defaults,
    generationConfig: llama2GenerationConfig,
    weights: { kind: "own", source: "meta-llama/Llama-2-7b-hf" },
  },
  {
    identifier: "llamav2-7b-chat",
    aliases: [
      "llama2-7b-chat",
      "llama-2-7b-chat",
      "meta-llama/llama-2-7b-chat-hf",
      "prebuilt-llamav2-7b-chat",
      "prebuilt-llama2-7b-chat",
    ],
    routes: ["llamav2-7b-chat-webhook", "llama2-7b-chat-webhook", "llama-2-7b-chat-webhook"],
    title: "Meta Llama 2 7B Chat",
    standsInFor: [],
    precision: null,
    defaults: llama2Defaults,
    generationConfig: llama2GenerationConfig,
    weights: { kind: "own", source: "meta-llama/Llama-2-7b-chat-hf" },
  },
  {
    identifier: "corral-tiny-3",
    aliases: ["tiny-3"],
    routes: ["corral-tiny-3-webhook"],
    title: "Corral Tiny 3: a tiny stand-in of Llama 3's shape, trained from scratch, not Meta's",
    standsInFor: ["llama-3-8b-instruct"],
    precision: "reference",
    defaults: llama3Defaults,
    generationConfig: {},
    weights: { kind: "built_in", directory: "corral-tiny-3" },
  },
  {
    identifier: "corral-tiny-2",
    aliases: ["tiny-2"],
    routes: ["corral-tiny-2-webhook"],
    title: "Corral Tiny 2: a tiny stand-in of Llama 2's shape, trained from scratch, not Meta's",
    standsInFor: ["llamav2-7b-chat", "llamav2-7b"],
    precision: "reference",
    defaults: llama2Defaults,
    generationConfig: {},
    weights: { kind: "built_in", directory: "corral-tiny-2" },
  },
];

const rowByName = new Map<string, CatalogueRow>();
for (const row of catalogue) {
  for (const name of [row.identifier, ...row.aliases, ...row.routes]) {
    if (rowByName.has(name)) throw new TypeError(`catalogue: ${name} stands there twice`);
    rowByName.set(name, row);
  }
}

/** The row of an identifier, an alias or a route's first segment, in any case; null where there is none. */
export function findCatalogueRow(name: string): CatalogueRow | null {
  return rowByName.get(name.toLowerCase()) ?? null;
}

/**
 * A row's generation_config.json for weights with that many tokens. Ids that such a vocabulary has not are of another
 * model, whose own end tokens then hold.
 */
export function generationConfigOf(
  { generationConfig }: CatalogueRow,
  vocabularySize: number,
): Readonly<Record<string, unknown>> {
  const isForeign = ([name, value]: [string, unknown]) =>
    name.endsWith("_token_id") && [value].flat().some((id) => Number(id) >= vocabularySize);
  return Object.fromEntries(Object.entries(generationConfig).filter((entry) => !isForeign(entry)));
}

/** `llama2-7b` and `llamav2-7b-webhook` → `llamav2-7b`; null where the catalogue has no such name. */
export function canonicalIdentifier(name: string): string | null {
  return findCatalogueRow(name)?.identifier ?? null;
}

/** Rows with built-in weights that answer for `identifier` (canonical) while its own are missing. */
export function standInsFor(identifier: string): readonly CatalogueRow[] {
  return catalogue.filter((row) => row.standsInFor.includes(identifier));
}

/** Up to three identifiers that `name` may have meant, nearest first. */
export function suggestIdentifiers(name: string): string[] {
  const wanted = name.toLowerCase();
  const distances = new Map<string, number>();
  for (const [known, row] of rowByName) {
    const distance = editDistance(wanted, known);
    const contained = wanted.length >= 4 && known.includes(wanted);
    if (distance > Math.max(2, Math.floor(known.length / 4)) && !contained) continue;
    distances.set(row.identifier, Math.min(distances.get(row.identifier) ?? Infinity, distance));
  }
  return [...distances]
    .sort(([, a], [, b]) => a - b)
    .slice(0, 3)
    .map(([identifier]) => identifier);
}
