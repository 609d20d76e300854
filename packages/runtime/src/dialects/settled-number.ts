// What a parameter of `generate` is before the engine resolves it: for rules of the pipeline and of the families, which
// stand before it. Source: transformers 5.23.0, pipelines/base.py, _get_set_generation_params.

import { generationConfigName } from "@corral/contract";
import { isObject } from "./body-values.ts";
import type { GenerationParameters } from "./dialect.ts";

type Given = Pick<GenerationParameters, "parameters" | "modelConfig">;

/** The caller's over that of its `generation_config` over the model's; the caller's null counts but for `max_length`. */
export function settledValue({ parameters, modelConfig }: Given, name: string): unknown {
  const own = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  if (own !== undefined && !(own === null && name === "max_length")) return own;
  return configValue(parameters, name) ?? modelConfig[name] ?? null;
}

/** Null where it is no number. */
export function settledNumber(given: Given, name: string): number | null {
  const value = settledValue(given, name);
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** What the caller's `generation_config` has of it, or null. */
export function configValue(parameters: Given["parameters"], name: string): unknown {
  const config = parameters[generationConfigName];
  return isObject(config) && Object.hasOwn(config, name) ? (config[name] ?? null) : null;
}
