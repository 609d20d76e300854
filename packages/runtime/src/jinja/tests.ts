// What `is` can ask of a value. Source: Jinja 3.1.6, tests.py.

import { TemplateFailure } from "./failure.ts";
import type { FilterContext } from "./filter-context.ts";
import { areEqual, combine, compare, contains, itemsOf } from "./operators.ts";
import { questions } from "./text-searches.ts";
import { toText } from "./show.ts";
import {
  DictView,
  Float,
  Generator,
  Instance,
  isDict,
  isInt,
  isNumeric,
  isText,
  SafeText,
  textOf,
  Undefined,
  type Value,
} from "./values.ts";

export interface TemplateTest {
  /** Of parameters beside the value. */
  readonly parameterCount: number;
  run(value: Value, parameter: Value, context: FilterContext): boolean;
}

const one = (run: (value: Value, context: FilterContext) => boolean): TemplateTest => ({
  parameterCount: 0,
  run: (value, _, context) => run(value, context),
});
const two = (run: TemplateTest["run"]): TemplateTest => ({ parameterCount: 1, run });

const equal = two((value, other, { budget }) => areEqual(value, other, budget));
const unequal = two((value, other, { budget }) => !areEqual(value, other, budget));
const less = two((value, other, { budget }) => compare(value, other, budget) < 0);
const lessOrEqual = two((value, other, { budget }) => compare(value, other, budget) <= 0);
const greater = two((value, other, { budget }) => compare(value, other, budget) > 0);
const greaterOrEqual = two((value, other, { budget }) => compare(value, other, budget) >= 0);

export const templateTests: ReadonlyMap<string, TemplateTest> = new Map(
  Object.entries({
    defined: one((value) => !(value instanceof Undefined)),
    undefined: one((value) => value instanceof Undefined),
    none: one((value) => value === null),
    boolean: one((value) => typeof value === "boolean"),
    true: one((value) => value === true),
    false: one((value) => value === false),
    integer: one(isInt),
    float: one((value) => value instanceof Float),
    number: one(isNumeric),
    string: one(isText),
    mapping: one(isDict),
    sequence: one(isSequence),
    iterable: one((value, { budget }) => itemsOf(value, budget) !== null),
    callable: one((value) => value instanceof Instance && value.call !== null),
    escaped: one((value) => value instanceof SafeText),
    lower: one((value, { budget }) => questions["islower"]?.(toText(value, budget)) ?? false),
    upper: one((value, { budget }) => questions["isupper"]?.(toText(value, budget)) ?? false),
    odd: one((value, { budget }) => areEqual(combine("%", value, 2, budget), 1, budget)),
    even: one((value, { budget }) => areEqual(combine("%", value, 2, budget), 0, budget)),
    divisibleby: two((value, by, { budget }) => areEqual(combine("%", value, by, budget), 0, budget)),
    in: two((value, container, { budget }) => contains(container, value, budget)),
    sameas: two((value, other) => value === other),
    filter: one((value, { filterNames }) => isText(value) && filterNames.has(textOf(value))),
    test: one((value) => isText(value) && templateTests.has(textOf(value))),
    eq: equal,
    equalto: equal,
    "==": equal,
    ne: unequal,
    "!=": unequal,
    lt: less,
    lessthan: less,
    "<": less,
    le: lessOrEqual,
    "<=": lessOrEqual,
    gt: greater,
    greaterthan: greater,
    ">": greater,
    ge: greaterOrEqual,
    ">=": greaterOrEqual,
  }),
);

/** What has a length and can be indexed: dicts and undefined values as well. */
function isSequence(value: Value): boolean {
  if (value === null || isNumeric(value)) return false;
  return !(value instanceof Instance || value instanceof Generator || value instanceof DictView);
}

export function runTest(
  name: string,
  value: Value,
  parameters: readonly Value[],
  context: FilterContext,
): boolean {
  const test = templateTests.get(name);
  if (test === undefined) throw new TemplateFailure(`No test named '${name}'.`);
  if (parameters.length !== test.parameterCount)
    throw new TemplateFailure(`The test '${name}' takes ${test.parameterCount} parameters`);
  context.budget.spend(1);
  return test.run(value, parameters[0] ?? null, context);
}
