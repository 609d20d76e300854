// The tokens of a template, read one after the other by the parser.

import { TemplateSyntaxFailure } from "./failure.ts";
import type { Token } from "./lexer.ts";

export class TokenStream {
  readonly #tokens: readonly Token[];
  #position = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.look(0);
  }

  look(ahead = 1): Token {
    const token = this.#tokens[Math.min(this.#position + ahead, this.#tokens.length - 1)];
    if (token === undefined) throw new TemplateSyntaxFailure("The template has no tokens.");
    return token;
  }

  next(): Token {
    const token = this.current;
    this.#position += 1;
    return token;
  }

  isName(...names: readonly string[]): boolean {
    return this.current.kind === "name" && names.includes(this.current.text);
  }

  isOperator(...operators: readonly string[]): boolean {
    return this.current.kind === "operator" && operators.includes(this.current.text);
  }

  skipName(name: string): boolean {
    const found = this.isName(name);
    if (found) this.#position += 1;
    return found;
  }

  skipOperator(operator: string): boolean {
    const found = this.isOperator(operator);
    if (found) this.#position += 1;
    return found;
  }

  expectOperator(operator: string): void {
    if (!this.skipOperator(operator)) this.fail(`expected '${operator}', got ${describe(this.current)}`);
  }

  expectName(): string {
    if (this.current.kind !== "name") this.fail(`expected a name, got ${describe(this.current)}`);
    return this.next().text;
  }

  expect(kind: Token["kind"]): void {
    if (this.current.kind !== kind) this.fail(`expected ${kind}, got ${describe(this.current)}`);
    this.#position += 1;
  }

  /** Of brackets, signs and blocks within each other. Deeper ones would overflow the stack. */
  nested<Result>(parse: () => Result): Result {
    this.#depth += 1;
    if (this.#depth > deepest) this.fail(`nested deeper than ${deepest} levels`);
    const result = parse();
    this.#depth -= 1;
    return result;
  }

  fail(message: string): never {
    throw new TemplateSyntaxFailure(`${message} in line ${this.current.line}`);
  }
}

const deepest = 200;

function describe({ kind, text }: Token): string {
  return kind === "name" || kind === "operator" || kind === "constant" ? `'${text}'` : kind;
}
