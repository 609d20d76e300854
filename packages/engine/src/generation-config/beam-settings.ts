// What a call asks of beam search. Source: transformers 5.23.0, generation/configuration_utils.py and utils.py; of groups
// and forced words those of transformers 4.46.3, as 5 has moved them out.

import { describeValue, wordsOf, type FieldError, type PlaceOf } from "@corral/contract";
import type { BeamGroups, BeamSettings, LengthSettings } from "../valid-generation.ts";
import type { ParameterValues } from "./parameter-values.ts";

/** Null with one beam: then all of its parameters are inert. */
export function beamSettings(values: ParameterValues): BeamSettings | null {
  const { number, value } = values;
  const beamCount = number("num_beams") ?? 1;
  if (beamCount === 1) return null;
  const earlyStopping = value("early_stopping");
  return {
    beamCount,
    earlyStopping: earlyStopping === "never" ? "never" : earlyStopping === true,
    lengthPenalty: number("length_penalty") ?? 1,
    groups: beamGroups(values),
    forcedWords: wordsOf(value("force_words_ids")),
  };
}

function beamGroups({ number }: ParameterValues): BeamGroups | null {
  const count = number("num_beam_groups") ?? 1;
  return count === 1 ? null : { count, diversityPenalty: number("diversity_penalty") ?? 0 };
}

/** That every length to its power is a float32 above 0: Hugging Face fails on others, or returns nothing. */
export function checkLengthPenalty(
  { promptTokenCount, maxLength }: LengthSettings,
  beams: BeamSettings | null,
  placeOf: PlaceOf,
): FieldError[] {
  if (beams === null) return [];
  const newTokenCount = maxLength - promptTokenCount;
  const power = Math.fround(newTokenCount ** beams.lengthPenalty);
  if (power > 0 && power < Infinity) return [];
  const { pointer, origin } = placeOf("length_penalty");
  const message =
    `\`length_penalty\` must be such that the number of new tokens, up to ${newTokenCount}, to its power is a ` +
    `32-bit number above 0; given: ${describeValue(beams.lengthPenalty)}${origin}. Usual are -2 to 2.`;
  return [{ pointer, code: "invalid_parameter", message }];
}
