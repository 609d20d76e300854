// The models that Corral brings along: tiny stand-ins of Llama 2 and 3, trained from scratch (models/training/).

import { llama2Defaults, llama3Defaults } from "./llama.ts";
import type { CatalogueRow } from "./row.ts";

const builtIn = {
  precision: "reference",
  generationConfig: {},
  chatTemplate: null,
  license: null,
  quantization: null,
  contextLength: null,
} as const;

export const tinyRows: readonly CatalogueRow[] = [
  {
    ...builtIn,
    identifier: "corral-tiny-3",
    aliases: ["tiny-3"],
    routes: ["corral-tiny-3-webhook"],
    title: "Corral Tiny 3: a tiny stand-in of Llama 3's shape, trained from scratch, not Meta's",
    standsInFor: ["llama-3-8b-instruct"],
    defaults: llama3Defaults,
    weights: { kind: "built_in", directory: "corral-tiny-3" },
  },
  {
    ...builtIn,
    identifier: "corral-tiny-2",
    aliases: ["tiny-2"],
    routes: ["corral-tiny-2-webhook"],
    title: "Corral Tiny 2: a tiny stand-in of Llama 2's shape, trained from scratch, not Meta's",
    standsInFor: ["llamav2-7b-chat", "llamav2-7b"],
    defaults: llama2Defaults,
    weights: { kind: "built_in", directory: "corral-tiny-2" },
  },
];
