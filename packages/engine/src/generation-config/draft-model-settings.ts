// What a call asks of a draft model. Source: transformers 5.23.0, generation/utils.py, _get_candidate_generator.

import { describeValue, invalidValue, type FieldError, type PlaceOf } from "@corral/contract";
import type { DraftModelSettings } from "../valid-generation.ts";
import type { ParameterValues } from "./parameter-values.ts";

/** Null where none is named, and beside prompt lookup or beams, where transformers leaves it alone. */
export function draftModelSettings({ number, value }: ParameterValues): DraftModelSettings | null {
  const name = value("assistant_model");
  if (typeof name !== "string") return null;
  if (number("prompt_lookup_num_tokens") !== null || (number("num_beams") ?? 1) > 1) return null;
  const schedule = value("num_assistant_tokens_schedule");
  return {
    name,
    draftTokenCount: number("num_assistant_tokens") ?? 20,
    schedule: schedule === "heuristic" || schedule === "heuristic_transient" ? schedule : "constant",
    confidenceThreshold: number("assistant_confidence_threshold") ?? 0,
  };
}

/** That it names one of those that were configured. */
export function checkDraftModel(
  { value }: ParameterValues,
  known: readonly string[],
  placeOf: PlaceOf,
): FieldError[] {
  const name = value("assistant_model");
  if (typeof name !== "string" || known.includes(name)) return [];
  const place = placeOf("assistant_model");
  if (known.length > 0) {
    const names = known.map((each) => JSON.stringify(each)).join(", ");
    return [invalidValue("assistant_model", `name a draft model of this deployment: ${names}`, name, place)];
  }
  const message =
    `\`assistant_model\` is not supported here; given: ${describeValue(name)}${place.origin}. This deployment has no ` +
    "draft model: name one under `assistant_models` in the model's config.yaml and push it, or leave it out; " +
    "`prompt_lookup_num_tokens` needs none.";
  return [{ pointer: place.pointer, code: "unsupported_parameter", message }];
}
