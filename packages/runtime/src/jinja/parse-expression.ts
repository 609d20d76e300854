// Expressions of a template. Source: Jinja 3.1.6, parser.py; the order of the functions is that of precedence.

import type { BinaryOperator } from "./operators.ts";
import type { CallArguments, Comparison, Expression, FilterExpression } from "./syntax.ts";
import type { TokenStream } from "./token-stream.ts";

/** `withCondition`: whether `a if b else c` is one. */
export function parseExpression(stream: TokenStream, withCondition = true): Expression {
  return stream.nested(() => (withCondition ? parseConditional(stream) : parseOr(stream)));
}

/** Expressions between commas are a tuple. `ends` names what ends it beside a closing mark. */
export function parseTuple(
  stream: TokenStream,
  { withCondition = true, ends = [], inParentheses = false }: TupleOptions = {},
): Expression {
  const items: Expression[] = [];
  let isTuple = false;
  for (;;) {
    if (isTupleEnd(stream, ends)) break;
    items.push(parseExpression(stream, withCondition));
    if (!stream.skipOperator(",")) break;
    isTuple = true;
  }
  const [only] = items;
  if (!isTuple && only !== undefined) return only;
  if (!isTuple && !inParentheses) stream.fail("Expected an expression");
  return { kind: "tuple", items };
}

interface TupleOptions {
  readonly withCondition?: boolean;
  readonly ends?: readonly string[];
  readonly inParentheses?: boolean;
}

export function isTupleEnd(stream: TokenStream, ends: readonly string[]): boolean {
  const { kind } = stream.current;
  return kind === "end output" || kind === "end block" || stream.isOperator(")") || stream.isName(...ends);
}

function parseConditional(stream: TokenStream): Expression {
  let yes = parseOr(stream);
  while (stream.skipName("if")) {
    const test = parseOr(stream);
    const no = stream.skipName("else") ? stream.nested(() => parseConditional(stream)) : null;
    yes = { kind: "conditional", test, yes, no };
  }
  return yes;
}

function parseOr(stream: TokenStream): Expression {
  let left = parseAnd(stream);
  while (stream.skipName("or")) left = { kind: "or", left, right: parseAnd(stream) };
  return left;
}

function parseAnd(stream: TokenStream): Expression {
  let left = parseNot(stream);
  while (stream.skipName("and")) left = { kind: "and", left, right: parseNot(stream) };
  return left;
}

function parseNot(stream: TokenStream): Expression {
  if (!stream.skipName("not")) return parseCompare(stream);
  return { kind: "not", operand: stream.nested(() => parseNot(stream)) };
}

function parseCompare(stream: TokenStream): Expression {
  const first = parseSum(stream);
  const rest: Comparison[] = [];
  for (;;) {
    const operator = takeComparison(stream);
    if (operator === null) return rest.length === 0 ? first : { kind: "compare", first, rest };
    rest.push({ operator, operand: parseSum(stream) });
  }
}

function takeComparison(stream: TokenStream): Comparison["operator"] | null {
  if (stream.isOperator("==", "!=", "<", "<=", ">", ">="))
    return stream.next().text as Comparison["operator"];
  if (stream.skipName("in")) return "in";
  const { kind, text } = stream.look();
  if (!stream.isName("not") || kind !== "name" || text !== "in") return null;
  stream.next();
  stream.next();
  return "not in";
}

function parseSum(stream: TokenStream): Expression {
  let left = parseConcat(stream);
  while (stream.isOperator("+", "-")) {
    left = { kind: "binary", operator: takeOperator(stream), left, right: parseConcat(stream) };
  }
  return left;
}

function parseConcat(stream: TokenStream): Expression {
  const first = parseProduct(stream);
  const parts = [first];
  while (stream.skipOperator("~")) parts.push(parseProduct(stream));
  return parts.length === 1 ? first : { kind: "concat", parts };
}

function parseProduct(stream: TokenStream): Expression {
  let left = parsePower(stream);
  while (stream.isOperator("*", "/", "//", "%")) {
    left = { kind: "binary", operator: takeOperator(stream), left, right: parsePower(stream) };
  }
  return left;
}

function takeOperator(stream: TokenStream): BinaryOperator {
  return stream.next().text as BinaryOperator;
}

function parsePower(stream: TokenStream): Expression {
  let left = parseUnary(stream);
  while (stream.skipOperator("**"))
    left = { kind: "binary", operator: "**", left, right: parseUnary(stream) };
  return left;
}

function parseUnary(stream: TokenStream, withFilter = true): Expression {
  let node: Expression;
  if (stream.isOperator("-", "+")) {
    const sign = stream.next().text === "-" ? "-" : "+";
    node = { kind: "sign", sign, operand: stream.nested(() => parseUnary(stream, false)) };
  } else node = parsePrimary(stream);
  node = parsePostfix(stream, node);
  return withFilter ? parseFiltersAndTests(stream, node) : node;
}

const constants: Readonly<Record<string, true | false | null>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

function parsePrimary(stream: TokenStream): Expression {
  const { kind, text } = stream.current;
  if (kind === "name") {
    stream.next();
    const constant = Object.hasOwn(constants, text) ? constants[text] : undefined;
    return constant === undefined ? { kind: "name", name: text } : { kind: "constant", value: constant };
  }
  if (kind === "constant") return parseConstant(stream);
  if (stream.skipOperator("(")) {
    const inner = stream.nested(() => parseTuple(stream, { inParentheses: true }));
    stream.expectOperator(")");
    return inner;
  }
  if (stream.skipOperator("["))
    return { kind: "list", items: parseItems(stream, "]", () => parseExpression(stream)) };
  if (stream.skipOperator("{")) {
    const entries = parseItems(stream, "}", () => {
      const key = parseExpression(stream);
      stream.expectOperator(":");
      return [key, parseExpression(stream)] as const;
    });
    return { kind: "dict", entries };
  }
  return stream.fail(`unexpected '${text === "" ? kind : text}'`);
}

/** Texts one after the other are one. */
function parseConstant(stream: TokenStream): Expression {
  const { isString, value } = stream.next();
  if (!isString || typeof value !== "string") return { kind: "constant", value };
  let text = value;
  while (stream.current.isString) text += stream.next().value as string;
  return { kind: "constant", value: text };
}

/** Up to the closing mark, with or without a comma before it. */
function parseItems<Item>(stream: TokenStream, end: string, parse: () => Item): Item[] {
  const items: Item[] = [];
  while (!stream.isOperator(end)) {
    items.push(parse());
    if (!stream.skipOperator(",")) break;
  }
  stream.expectOperator(end);
  return items;
}

function parsePostfix(stream: TokenStream, start: Expression): Expression {
  let node = start;
  for (;;) {
    if (stream.skipOperator(".")) node = parseDot(stream, node);
    else if (stream.skipOperator("[")) node = parseSubscript(stream, node);
    else if (stream.isOperator("(")) node = { kind: "call", callee: node, args: parseArguments(stream) };
    else return node;
  }
}

function parseDot(stream: TokenStream, object: Expression): Expression {
  const { kind, text, value } = stream.next();
  if (kind === "name") return { kind: "attribute", object, name: text };
  if (kind !== "constant" || (typeof value !== "number" && typeof value !== "bigint"))
    stream.fail("expected name or number");
  return { kind: "item", object, index: { kind: "constant", value } };
}

function parseSubscript(stream: TokenStream, object: Expression): Expression {
  const first = parseSubscribed(stream);
  if (!stream.isOperator(",")) {
    stream.expectOperator("]");
    return Array.isArray(first)
      ? { kind: "slice", object, bounds: first }
      : { kind: "item", object, index: first };
  }
  if (Array.isArray(first)) stream.fail("A slice in a tuple is not supported");
  stream.next();
  const rest = parseItems(stream, "]", () => parseExpression(stream));
  return { kind: "item", object, index: { kind: "tuple", items: [first, ...rest] } };
}

/** An index, or the three bounds of a slice. */
function parseSubscribed(stream: TokenStream): Expression | (Expression | null)[] {
  const bound = () => (stream.isOperator(":", "]", ",") ? null : parseExpression(stream));
  const start = bound();
  if (!stream.skipOperator(":")) return start ?? stream.fail("expected subscript expression");
  const stop = bound();
  return [start, stop, stream.skipOperator(":") ? bound() : null];
}

function parseFiltersAndTests(stream: TokenStream, start: Expression): Expression {
  let node = start;
  for (;;) {
    if (stream.isOperator("|")) node = parseFilters(stream, node) ?? node;
    else if (stream.skipName("is")) node = parseTest(stream, node);
    else if (stream.isOperator("(")) node = { kind: "call", callee: node, args: parseArguments(stream) };
    else return node;
  }
}

/** `startsInline`: the first filter stands without its bar. */
export function parseFilters(
  stream: TokenStream,
  operand: Expression | null,
  startsInline = false,
): FilterExpression | null {
  let node: FilterExpression | null = null;
  let isInline = startsInline;
  while (isInline || stream.skipOperator("|")) {
    isInline = false;
    const name = parseDottedName(stream);
    const args = stream.isOperator("(") ? parseArguments(stream) : noArguments;
    node = { kind: "filter", operand: node ?? operand, name, args };
  }
  return node;
}

const noArguments: CallArguments = { positional: [], named: [], list: null, dict: null };

function parseDottedName(stream: TokenStream): string {
  let name = stream.expectName();
  while (stream.skipOperator(".")) name += `.${stream.expectName()}`;
  return name;
}

function parseTest(stream: TokenStream, operand: Expression): Expression {
  const isNegated = stream.skipName("not");
  const name = parseDottedName(stream);
  const node: Expression = { kind: "test", operand, name, args: parseTestArguments(stream) };
  return isNegated ? { kind: "not", operand: node } : node;
}

function parseTestArguments(stream: TokenStream): CallArguments {
  if (stream.isOperator("(")) return parseArguments(stream);
  const { kind } = stream.current;
  const hasOne = kind === "name" || kind === "constant" || stream.isOperator("[", "{");
  if (!hasOne || stream.isName("else", "or", "and")) return noArguments;
  if (stream.isName("is")) stream.fail("You cannot chain multiple tests with is");
  return { ...noArguments, positional: [parsePostfix(stream, parsePrimary(stream))] };
}

export function parseArguments(stream: TokenStream): CallArguments {
  stream.expectOperator("(");
  const positional: Expression[] = [];
  const named: (readonly [string, Expression])[] = [];
  let list: Expression | null = null;
  let dict: Expression | null = null;
  const refuse = (isWrong: boolean) => {
    if (isWrong) stream.fail("invalid syntax for function call expression");
  };
  parseItems(stream, ")", () => {
    const { kind, text } = stream.look();
    if (stream.skipOperator("*")) {
      refuse(list !== null || dict !== null);
      list = parseExpression(stream);
    } else if (stream.skipOperator("**")) {
      refuse(dict !== null);
      dict = parseExpression(stream);
    } else if (stream.current.kind === "name" && kind === "operator" && text === "=") {
      refuse(dict !== null);
      const name = stream.expectName();
      stream.next();
      named.push([name, parseExpression(stream)]);
    } else {
      refuse(list !== null || dict !== null || named.length > 0);
      positional.push(parseExpression(stream));
    }
  });
  return { positional, named, list, dict };
}
