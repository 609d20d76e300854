// The text of a template → its statements. Source: Jinja 3.1.6, parser.py, with the extensions of transformers 5.23.0:
// loop controls and `generation`.

import { TemplateSyntaxFailure } from "./failure.ts";
import { filters } from "./filters.ts";
import { tokenize } from "./lexer.ts";
import { isTupleEnd, parseExpression, parseFilters, parseTuple } from "./parse-expression.ts";
import type { MacroParts, Parameter, Statement, Target } from "./syntax.ts";
import { templateTests } from "./tests.ts";
import { TokenStream } from "./token-stream.ts";
import { findAlwaysUnknown, namesRead } from "./walk-syntax.ts";

export type Template = readonly Statement[];

/** Fails with `TemplateSyntaxFailure`. */
export function parseTemplate(text: string): Template {
  const stream = new TokenStream(tokenize(text));
  const body = new Parser(stream).parseBody([]);
  const unknown = findAlwaysUnknown(body, (kind, name) =>
    (kind === "filter" ? filters : templateTests).has(name),
  );
  if (unknown !== null) throw new TemplateSyntaxFailure(`No ${unknown.kind} named '${unknown.name}'.`);
  return body;
}

class Parser {
  readonly #stream: TokenStream;
  #loopDepth = 0;

  constructor(stream: TokenStream) {
    this.#stream = stream;
  }

  /** Up to a tag of one of these names, which is left to be read; to the end of the text where there are none. */
  parseBody(ends: readonly string[]): Statement[] {
    const stream = this.#stream;
    const body: Statement[] = [];
    for (;;) {
      const { kind, text } = stream.current;
      if (kind === "end") {
        if (ends.length > 0) stream.fail(`Unexpected end of template, '${ends.join("' or '")}' is missing`);
        return body;
      }
      stream.next();
      if (kind === "text") body.push({ kind: "text", text });
      else if (kind === "begin output") {
        body.push({ kind: "output", value: parseTuple(stream) });
        stream.expect("end output");
      } else {
        if (stream.isName(...ends)) return body;
        body.push(...stream.nested(() => this.#parseStatement()));
        stream.expect("end block");
      }
    }
  }

  /** The body of a tag: after its end mark, up to one of these tags. */
  #parseBlock(ends: readonly string[]): Statement[] {
    this.#stream.skipOperator(":");
    this.#stream.expect("end block");
    return this.parseBody(ends);
  }

  /** The body up to a tag of that name, which is read as well. */
  #parseWhole(end: string): Statement[] {
    const body = this.#parseBlock([end]);
    this.#stream.next();
    return body;
  }

  #parseStatement(): Statement[] {
    const stream = this.#stream;
    if (stream.current.kind !== "name") stream.fail("tag name expected");
    const tag = stream.next().text;
    switch (tag) {
      case "if":
        return [this.#parseIf()];
      case "for":
        return [this.#parseFor()];
      case "set":
        return [this.#parseSet()];
      case "macro":
        return [{ kind: "macro", name: stream.expectName(), ...this.#parseMacro(true, "endmacro") }];
      case "call":
        return [this.#parseCall()];
      case "filter": {
        const filter = parseFilters(stream, null, true);
        if (filter === null) return stream.fail("expected a filter");
        return [{ kind: "filtered", filter, body: this.#parseWhole("endfilter") }];
      }
      case "with":
        return [this.#parseWith()];
      case "generation":
        return [{ kind: "scope", body: this.#outsideLoops(() => this.#parseWhole("endgeneration")) }];
      case "block":
        return [this.#parseNamedBlock()];
      case "print":
        return this.#parsePrint();
      case "break":
      case "continue":
        if (this.#loopDepth === 0) stream.fail(`'${tag}' outside of a loop`);
        return [{ kind: tag }];
      case "include":
      case "extends":
        parseExpression(stream);
        return [{ kind: "load", tag }];
      default:
        return stream.fail(`Encountered unknown tag '${tag}'`);
    }
  }

  #parseIf(): Statement {
    const stream = this.#stream;
    const branches: { test: ReturnType<typeof parseTuple>; body: Statement[] }[] = [];
    for (;;) {
      const test = parseTuple(stream, { withCondition: false });
      branches.push({ test, body: this.#parseBlock(["elif", "else", "endif"]) });
      const next = stream.next().text;
      if (next === "elif") continue;
      const otherwise = next === "else" ? this.#parseWhole("endif") : [];
      return { kind: "if", branches, otherwise };
    }
  }

  #parseFor(): Statement {
    const stream = this.#stream;
    const target = this.#parseTarget(false, ["in"]);
    if (!stream.skipName("in")) stream.fail("expected 'in'");
    const values = parseTuple(stream, { withCondition: false, ends: ["recursive"] });
    const condition = stream.skipName("if") ? parseExpression(stream) : null;
    const isRecursive = stream.skipName("recursive");
    this.#loopDepth += 1;
    const body = this.#parseBlock(["endfor", "else"]);
    this.#loopDepth -= 1;
    const otherwise = stream.next().text === "endfor" ? [] : this.#parseWhole("endfor");
    return { kind: "for", target, values, condition, isRecursive, body, otherwise };
  }

  #parseSet(): Statement {
    const target = this.#parseTarget(true, []);
    if (this.#stream.skipOperator("=")) return { kind: "set", target, value: parseTuple(this.#stream) };
    const filter = parseFilters(this.#stream, null);
    return { kind: "capture", target, filter, body: this.#parseWhole("endset") };
  }

  #parseCall(): Statement {
    const stream = this.#stream;
    const parameters = stream.isOperator("(") ? this.#parseParameters() : [];
    const call = parseExpression(stream);
    if (call.kind !== "call") return stream.fail("expected call");
    return { kind: "call", call, ...this.#parseMacro(false, "endcall"), parameters };
  }

  #parseMacro(withParameters: boolean, end: string): MacroParts {
    const parameters = withParameters ? this.#parseParameters() : [];
    const body = this.#outsideLoops(() => this.#parseWhole(end));
    return { parameters, body, reads: namesRead(body) };
  }

  /** A loop around it is none of its own. */
  #outsideLoops<Result>(parse: () => Result): Result {
    const depth = this.#loopDepth;
    this.#loopDepth = 0;
    const result = parse();
    this.#loopDepth = depth;
    return result;
  }

  #parseParameters(): Parameter[] {
    const stream = this.#stream;
    const parameters: Parameter[] = [];
    stream.expectOperator("(");
    while (!stream.isOperator(")")) {
      if (parameters.length > 0) stream.expectOperator(",");
      const name = stream.expectName();
      const fallback = stream.skipOperator("=") ? parseExpression(stream) : null;
      if (fallback === null && (parameters.at(-1)?.fallback ?? null) !== null)
        stream.fail("non-default argument follows default argument");
      parameters.push({ name, fallback });
    }
    stream.next();
    return parameters;
  }

  #parseWith(): Statement {
    const stream = this.#stream;
    const bindings: { target: Target; value: ReturnType<typeof parseExpression> }[] = [];
    while (stream.current.kind !== "end block") {
      if (bindings.length > 0) stream.expectOperator(",");
      const target = this.#parseTarget(false, []);
      stream.expectOperator("=");
      bindings.push({ target, value: parseExpression(stream) });
    }
    return { kind: "with", bindings, body: this.#parseWhole("endwith") };
  }

  #parseNamedBlock(): Statement {
    const name = this.#stream.expectName();
    while (this.#stream.isName("scoped", "required")) this.#stream.next();
    const body = this.#outsideLoops(() => this.#parseWhole("endblock"));
    this.#stream.skipName(name);
    return { kind: "scope", body };
  }

  #parsePrint(): Statement[] {
    const printed: Statement[] = [];
    while (this.#stream.current.kind !== "end block") {
      if (printed.length > 0) this.#stream.expectOperator(",");
      printed.push({ kind: "output", value: parseExpression(this.#stream) });
    }
    return printed;
  }

  /** What is assigned to: names between commas, in parentheses or not. */
  #parseTarget(withFields: boolean, ends: readonly string[]): Target {
    const stream = this.#stream;
    const targets: Target[] = [];
    let isSeveral = false;
    for (;;) {
      if (isTupleEnd(stream, ends) || stream.isOperator("=")) break;
      targets.push(this.#parseOneTarget(withFields));
      if (!stream.skipOperator(",")) break;
      isSeveral = true;
    }
    const [only] = targets;
    if (only === undefined) return stream.fail("expected a name");
    return isSeveral ? { kind: "several", targets } : only;
  }

  #parseOneTarget(withFields: boolean): Target {
    const stream = this.#stream;
    if (stream.skipOperator("(")) {
      const inner = stream.nested(() => this.#parseTarget(withFields, []));
      stream.expectOperator(")");
      return inner;
    }
    const name = stream.expectName();
    if (unassignable.has(name)) stream.fail(`can't assign to '${name}'`);
    if (!withFields || !stream.skipOperator(".")) return { kind: "variable", name };
    return { kind: "field", namespace: name, name: stream.expectName() };
  }
}

const unassignable: ReadonlySet<string> = new Set(["true", "True", "false", "False", "none", "None"]);
