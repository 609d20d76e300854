// Which of llama.cpp's ways to cut text a tokenizer.json describes. llama.cpp's converter knows models by a hash of a
// tokenized text; here the definition itself is compared, so that a model with another vocabulary and the same
// definition is recognised. Source of the definitions: tokenizer.json of the models named; of the names: llama.cpp
// v0.5.0, src/llama-vocab.cpp, llm_tokenizer_bpe and the table of tokenizer_pre.

import { isObject, listOf, objectOf, unsupported, type JsonObject } from "./files.ts";

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const words = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
const rest = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const restWithSlash = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const split = (regex: string): string => `split ${regex}`;
const bytes = "bytes";

interface Definition {
  readonly steps: readonly string[];
  readonly normalizer: string | null;
  /** Whether whole words are looked up before pairs are merged; undefined: either. */
  readonly ignoresMerges?: boolean;
}

const definitions: Readonly<Record<string, Definition>> = {
  // Llama 3, 3.1, 3.2 and 3.3.
  "llama-bpe": {
    steps: [split(`${contractions}|${words}|\\p{N}{1,3}|${rest}`), bytes],
    normalizer: null,
    ignoresMerges: true,
  },
  // Finetunes of Llama 3 with its first tokenizer.json.
  "smaug-bpe": {
    steps: [split(`${contractions}|${words}|\\p{N}{1,3}|${rest}`), bytes],
    normalizer: null,
    ignoresMerges: false,
  },
  // Qwen 1.5 to 3.
  qwen2: { steps: [split(`${contractions}|${words}|\\p{N}|${rest}`), bytes], normalizer: "NFC" },
  // Mistral Nemo and later.
  tekken: {
    steps: [
      split(
        `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*|\\p{N}|${restWithSlash}`,
      ),
      bytes,
    ],
    normalizer: null,
  },
  "gpt-2": { steps: ["bytes by words"], normalizer: null },
  smollm: { steps: ["single digits", "bytes by words"], normalizer: null },
};

/** llama.cpp's name. Fails with `weights_unsupported`, saying what is not known. */
export function recognizePreTokenizer(tokenizer: JsonObject, path: string): string {
  const model = objectOf(tokenizer["model"]);
  if (model["type"] !== "BPE") {
    throw unsupported(
      path,
      `its tokenizer is of the type ${JSON.stringify(model["type"])}; BPE is converted`,
    );
  }
  const steps = stepsOf(tokenizer["pre_tokenizer"]);
  const normalizer = normalizerOf(tokenizer["normalizer"]);
  const ignoresMerges = model["ignore_merges"] === true;
  for (const [name, definition] of Object.entries(definitions)) {
    const isSame =
      definition.normalizer === normalizer &&
      definition.steps.length === steps.length &&
      definition.steps.every((step, index) => step === steps[index]) &&
      (definition.ignoresMerges ?? ignoresMerges) === ignoresMerges;
    if (isSame) return name;
  }
  const found = `[${steps.join("; ")}]${normalizer === null ? "" : ` after the normalizer ${normalizer}`}`;
  throw unsupported(
    path,
    `its pre_tokenizer ${found.slice(0, 400)} is not known; known are those of ${Object.keys(definitions).join(", ")}`,
  );
}

function stepsOf(preTokenizer: unknown): string[] {
  if (!isObject(preTokenizer)) return [];
  switch (preTokenizer["type"]) {
    case "Sequence":
      return listOf(preTokenizer["pretokenizers"]).flatMap(stepsOf);
    case "Split": {
      const { Regex: regex } = objectOf(preTokenizer["pattern"]);
      const isPlain = preTokenizer["behavior"] === "Isolated" && preTokenizer["invert"] !== true;
      return [isPlain && typeof regex === "string" ? split(regex) : JSON.stringify(preTokenizer)];
    }
    case "ByteLevel": {
      if (preTokenizer["add_prefix_space"] === true) return [JSON.stringify(preTokenizer)];
      // Cutting into words is what the type does unless told otherwise.
      return [preTokenizer["use_regex"] === false ? bytes : "bytes by words"];
    }
    case "Digits":
      return [preTokenizer["individual_digits"] === true ? "single digits" : "digits"];
    default:
      return [JSON.stringify(preTokenizer)];
  }
}

function normalizerOf(normalizer: unknown): string | null {
  if (!isObject(normalizer)) return null;
  const steps = normalizer["type"] === "Sequence" ? listOf(normalizer["normalizers"]) : [normalizer];
  if (steps.length === 0) return null;
  return steps
    .map((step) => (isObject(step) && step["type"] === "NFC" ? "NFC" : JSON.stringify(step)))
    .join(", ");
}
