// Warpers of a call: none without sampling, none at a value at which Hugging Face builds none.
// Source: transformers 5.23.0, generation/utils.py, _get_logits_processor.

import { nothingBesides, type WarperSettings } from "../valid-generation.ts";
import type { ParameterValues } from "./parameter-values.ts";

export function warperSettings({ number }: ParameterValues, doSample: boolean): WarperSettings {
  if (!doSample) {
    const { temperature, topH, topK, topP, minP, typicalP, epsilonCutoff, etaCutoff } = nothingBesides;
    return { temperature, topH, topK, topP, minP, typicalP, epsilonCutoff, etaCutoff };
  }
  const [temperature, topK] = [number("temperature"), number("top_k")];
  return {
    temperature: temperature === 1 ? null : temperature,
    topH: number("top_h"),
    topK: topK === 0 ? null : topK,
    topP: belowOne(number("top_p")),
    minP: number("min_p"),
    typicalP: belowOne(number("typical_p")),
    epsilonCutoff: cutoff(number("epsilon_cutoff")),
    etaCutoff: cutoff(number("eta_cutoff")),
  };
}

function belowOne(value: number | null): number | null {
  return value !== null && value < 1 ? value : null;
}

function cutoff(value: number | null): number | null {
  return value !== null && value > 0 && value < 1 ? value : null;
}
