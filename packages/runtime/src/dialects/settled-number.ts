// What a number of `generate` is before the engine resolves it: for rules of the pipeline, which stands before it.
// Source: transformers 5.23.0, pipelines/base.py, _get_set_generation_params.

import { isObject } from "./body-values.ts";
import type { GenerationParameters } from "./dialect.ts";

/** The caller's over that of its `generation_config` over the model's; null where none is a number. */
export function settledNumber(
  { parameters, modelConfig }: Pick<GenerationParameters, "parameters" | "modelConfig">,
  name: string,
): number | null {
  const { generation_config: config } = parameters;
  const value = parameters[name] ?? (isObject(config) ? config[name] : null) ?? modelConfig[name] ?? null;
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
