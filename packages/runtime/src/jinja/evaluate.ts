// The values of a template's expressions. Source: Jinja 3.1.6, compiler.py.

import { callValue, getAttribute, getItem, getSlice } from "./attributes.ts";
import { TemplateFailure } from "./failure.ts";
import type { FilterContext } from "./filter-context.ts";
import { formatPercent } from "./format-text.ts";
import { areEqual, combine, compare, contains, dictOf, iterate, negate } from "./operators.ts";
import type { Scope } from "./scope.ts";
import { toText } from "./show.ts";
import type { CallArguments, Comparison, Expression, FilterExpression } from "./syntax.ts";
import {
  isDict,
  isText,
  isTrue,
  SafeText,
  textOf,
  Tuple,
  Undefined,
  type Arguments,
  type Value,
} from "./values.ts";

/** What of a run of a template its expressions need. */
export interface Evaluation {
  readonly filters: FilterContext;
  /** The text that a filter without an operand is put on. */
  readonly block?: string;
}

export function evaluate(node: Expression, scope: Scope, run: Evaluation): Value {
  const { budget } = run.filters;
  budget.spend(1);
  const at = (part: Expression) => evaluate(part, scope, run);
  switch (node.kind) {
    case "constant":
      return node.value;
    case "name":
      return scope.get(node.name);
    case "list":
      return node.items.map(at);
    case "tuple":
      return new Tuple(node.items.map(at));
    case "dict":
      return dictOf(node.entries.map(([key, value]) => [at(key), at(value)] as const));
    case "not":
      return !isTrue(at(node.operand));
    case "sign":
      return negate(at(node.operand), node.sign);
    case "binary": {
      const left = at(node.left);
      const right = at(node.right);
      if (node.operator !== "%" || !isText(left)) return combine(node.operator, left, right, budget);
      const text = formatPercent(textOf(left), right, budget, left instanceof SafeText);
      return left instanceof SafeText ? new SafeText(text) : text;
    }
    case "and": {
      const left = at(node.left);
      return isTrue(left) ? at(node.right) : left;
    }
    case "or": {
      const left = at(node.left);
      return isTrue(left) ? left : at(node.right);
    }
    case "compare":
      return holdsThroughout(node.first, node.rest, at, run);
    case "concat": {
      const text = node.parts.map((part) => toText(at(part), budget)).join("");
      budget.spendCharacters(text.length);
      return text;
    }
    case "conditional":
      if (isTrue(at(node.test))) return at(node.yes);
      return node.no === null
        ? new Undefined("The inline if-expression was false and has no else.")
        : at(node.no);
    case "attribute":
      return getAttribute(at(node.object), node.name, budget);
    case "item":
      return getItem(at(node.object), at(node.index), budget);
    case "slice": {
      const object = at(node.object);
      return getSlice(
        object,
        node.bounds.map((bound) => (bound === null ? undefined : at(bound))),
        budget,
      );
    }
    case "call": {
      const callee = at(node.callee);
      return callValue(callee, evaluateArguments(node.args, scope, run));
    }
    case "filter":
      return applyFilter(node, scope, run);
    case "test": {
      const value = at(node.operand);
      const { positional, named } = evaluateArguments(node.args, scope, run);
      if (named.size > 0) throw new TemplateFailure(`The test '${node.name}' takes no named parameters`);
      return run.filters.test(node.name, value, positional);
    }
  }
}

function applyFilter(node: FilterExpression, scope: Scope, run: Evaluation): Value {
  const value = node.operand === null ? (run.block ?? "") : evaluate(node.operand, scope, run);
  return run.filters.filter(node.name, value, evaluateArguments(node.args, scope, run));
}

/** `a < b < c`, up to the first comparison that does not hold. */
function holdsThroughout(
  first: Expression,
  rest: readonly Comparison[],
  at: (part: Expression) => Value,
  { filters: { budget } }: Evaluation,
): boolean {
  let left = at(first);
  for (const { operator, operand } of rest) {
    const right = at(operand);
    if (!holds(operator, left, right, budget)) return false;
    left = right;
  }
  return true;
}

function holds(
  operator: Comparison["operator"],
  a: Value,
  b: Value,
  budget: FilterContext["budget"],
): boolean {
  switch (operator) {
    case "==":
      return areEqual(a, b, budget);
    case "!=":
      return !areEqual(a, b, budget);
    case "<":
      return compare(a, b, budget) < 0;
    case "<=":
      return compare(a, b, budget) <= 0;
    case ">":
      return compare(a, b, budget) > 0;
    case ">=":
      return compare(a, b, budget) >= 0;
    case "in":
      return contains(b, a, budget);
    case "not in":
      return !contains(b, a, budget);
  }
}

const none: Arguments = { positional: [], named: new Map() };

export function evaluateArguments(args: CallArguments, scope: Scope, run: Evaluation): Arguments {
  const { positional, named, list, dict } = args;
  if (positional.length === 0 && named.length === 0 && list === null && dict === null) return none;
  const { budget } = run.filters;
  const values = positional.map((part) => evaluate(part, scope, run));
  const byName = new Map(named.map(([name, part]) => [name, evaluate(part, scope, run)]));
  if (list !== null) values.push(...iterate(evaluate(list, scope, run), budget));
  if (dict !== null) {
    const spread = evaluate(dict, scope, run);
    if (!isDict(spread)) throw new TemplateFailure("argument after ** must be a mapping");
    for (const [key, value] of spread) byName.set(toText(key, budget), value);
  }
  return { positional: values, named: byName };
}
