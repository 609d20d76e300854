// Typed reading of merged parameters, whose kinds were checked.

import type { ParameterValue } from "@corral/contract";
import type { Parameter } from "./read-parameters.ts";

export interface ParameterValues {
  readonly of: (name: string) => Parameter;
  readonly value: (name: string) => ParameterValue;
  readonly number: (name: string) => number | null;
  readonly isTrue: (name: string) => boolean;
  /** One value as a list of it; null as none. */
  readonly list: <Item>(name: string) => readonly Item[];
}

export function parameterValues(of: (name: string) => Parameter): ParameterValues {
  const value = (name: string) => of(name).value;
  return {
    of,
    value,
    number: (name) => value(name) as number | null,
    isTrue: (name) => value(name) === true,
    list<Item>(name: string) {
      const given = value(name);
      return (given === null ? [] : Array.isArray(given) ? given : [given]) as readonly Item[];
    },
  };
}
