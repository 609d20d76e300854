// Scores beside the text are for answers that have a place for them: elsewhere they would be kept for nobody.

import { generationConfigName } from "@corral/contract";
import { isObject, pointerTo, show, type BodyReader } from "./body-reader.ts";

/** Of `generate`'s parameters those that ask for scores, by what kind of answer has a place for them. */
export const scoreNames = ["return_dict_in_generate", "output_scores", "output_logits", "scores_top_n"];

export const scoresElsewhere = "POST /api/v1/deployments/{d}/generate answers with it.";

/** Refuses what asks for scores, in the body and in its `generation_config`; false and null ask for nothing. */
export function refuseScores(reader: BodyReader, names: readonly string[], remedy: string): void {
  const body = reader.rest();
  const config = body[generationConfigName];
  for (const [place, values] of [
    ["", body],
    [`/${generationConfigName}`, isObject(config) ? config : {}],
  ] as const) {
    for (const name of names) {
      const value = values[name] ?? null;
      if (place === "") reader.take(name);
      if (value === null || value === false) continue;
      const message = `${name} is ${show(value)}, and this call's answer has no place for it. ${remedy}`;
      reader.refuse(place + pointerTo(name), "unsupported_parameter", message);
    }
  }
}
