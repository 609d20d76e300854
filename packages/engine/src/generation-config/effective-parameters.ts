// What every parameter of a resolved generation came to, by wire names: for callers who want to see it.

import { generationFields, type ParameterValue } from "@corral/contract";
import type { GenerationSettings } from "../valid-generation.ts";
import type { Parameter, ParameterSource } from "./read-parameters.ts";

export interface EffectiveParameter {
  readonly value: ParameterValue;
  /** Who set it; "default" where nobody did, and for what was inferred then. */
  readonly source: ParameterSource;
}

export type EffectiveParameters = Readonly<Record<string, EffectiveParameter>>;

const accepted = generationFields.filter(({ verdict, place }) => verdict !== "refused" && place !== "input");

/** All that may be set, in the order of the table; lengths and special tokens as they were resolved. */
export function effectiveParameters(
  of: (name: string) => Parameter,
  settings: GenerationSettings,
): EffectiveParameters {
  const set = Object.fromEntries(accepted.map(({ name }) => [name, of(name)]));
  const { endTokenIds, padTokenId, maxLength, minLength } = settings;
  const resolved = { eos_token_id: endTokenIds.length === 0 ? null : endTokenIds, pad_token_id: padTokenId };
  return {
    ...set,
    ...Object.fromEntries(
      Object.entries(resolved).map(([name, value]) => [name, { value, source: of(name).source }]),
    ),
    max_length: { value: maxLength, source: lengthSource(of, "max_length", "max_new_tokens") },
    min_length: { value: minLength, source: lengthSource(of, "min_length", "min_new_tokens") },
  };
}

/** A number of new tokens displaces a length. */
function lengthSource(of: (name: string) => Parameter, total: string, ofNew: string): ParameterSource {
  return of(ofNew).value === null ? of(total).source : of(ofNew).source;
}
