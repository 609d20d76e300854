// Every filter by its name. Source: Jinja 3.1.6, filters.py, and transformers 5.23.0 for `tojson`.

import { TemplateFailure } from "./failure.ts";
import type { Filter, FilterContext } from "./filter-context.ts";
import { bind } from "./parameters.ts";
import { sequenceFilters } from "./sequence-filters.ts";
import { runTest } from "./tests.ts";
import { textFilters } from "./text-filters.ts";
import { valueFilters } from "./value-filters.ts";
import type { Budget } from "./budget.ts";
import type { Arguments, Value } from "./values.ts";

export const filters: ReadonlyMap<string, Filter> = new Map(
  Object.entries({ ...textFilters, ...sequenceFilters, ...valueFilters }),
);

export function createFilterContext(budget: Budget): FilterContext {
  const context: FilterContext = {
    budget,
    filterNames: filters,
    filter: (name, value, args) => runFilter(name, value, args, context),
    test: (name, value, parameters) => runTest(name, value, parameters, context),
  };
  return context;
}

function runFilter(name: string, value: Value, args: Arguments, context: FilterContext): Value {
  const found = filters.get(name);
  if (found === undefined) throw new TemplateFailure(`No filter named '${name}'.`);
  context.budget.spend(1);
  return found.run(value, found.parameters === null ? [] : bind(name, found.parameters, args), context, args);
}
