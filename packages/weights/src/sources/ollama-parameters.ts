// Ollama's parameters of a model → those of generation_config.json. What has no counterpart is said.
// Source: Ollama's docs/modelfile, "Valid Parameters and Values".

export interface CarriedParameters {
  /** By generation_config.json's names. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  readonly contextLength: number | null;
  readonly warnings: readonly string[];
}

/** Ollama's name → ours, where the number means the same. */
const numbers: Readonly<Record<string, string>> = {
  temperature: "temperature",
  top_k: "top_k",
  top_p: "top_p",
  min_p: "min_p",
  typical_p: "typical_p",
  repeat_penalty: "repetition_penalty",
};

export function ollamaParameters(parameters: Readonly<Record<string, unknown>>): CarriedParameters {
  const generationConfig: Record<string, unknown> = {};
  const ignored: string[] = [];
  let contextLength: number | null = null;
  for (const [name, value] of Object.entries(parameters)) {
    const own = numbers[name];
    if (own !== undefined && typeof value === "number" && Number.isFinite(value))
      generationConfig[own] = value;
    else if (name === "stop" && isTexts(value)) generationConfig["stop_strings"] = value;
    else if (name === "num_predict" && isCount(value)) generationConfig["max_new_tokens"] = value;
    else if (name === "num_ctx" && isCount(value)) contextLength = value;
    else ignored.push(name);
  }
  // A temperature of 0 is Ollama's way to ask for the likeliest token.
  if (generationConfig["temperature"] === 0) {
    delete generationConfig["temperature"];
    generationConfig["do_sample"] = false;
  } else generationConfig["do_sample"] = true;
  const warnings = ignored.length === 0 ? [] : [`Ollama's ${ignored.join(", ")} have no effect.`];
  return { generationConfig, contextLength, warnings };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string" && text !== "");
}
