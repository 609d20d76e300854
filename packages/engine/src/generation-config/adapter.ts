// Which LoRA adapter a call names.

import {
  describeValue,
  invalidValue,
  type FieldError,
  type PlaceOf,
  type ValuePlace,
} from "@corral/contract";
import type { ParameterValues } from "./parameter-values.ts";

/** Its name; null: the model as it is. */
export function adapterOf({ value }: Pick<ParameterValues, "value">): string | null {
  const name = value("adapter");
  return typeof name === "string" ? name : null;
}

/** That it names one of those that are there. */
export function checkAdapter(
  values: Pick<ParameterValues, "value">,
  known: readonly string[],
  placeOf: PlaceOf,
): FieldError[] {
  const name = adapterOf(values);
  if (name === null || known.includes(name)) return [];
  return [unknownAdapter(name, known, placeOf("adapter"))];
}

/** That a name is none of those that are there. */
export function unknownAdapter(name: string, known: readonly string[], place: ValuePlace): FieldError {
  if (known.length > 0) {
    const names = known.map((each) => JSON.stringify(each)).join(", ");
    return invalidValue("adapter", `name an adapter of this deployment: ${names}`, name, place);
  }
  const message =
    `\`adapter\` names nothing here; given: ${describeValue(name)}${place.origin}. This deployment has no adapter: ` +
    "name one under `adapters` in the model's config.yaml and push it, add one by " +
    "`POST /api/v1/deployments/{d}/adapters`, or leave it out.";
  return { pointer: place.pointer, code: "invalid_parameter", message };
}
