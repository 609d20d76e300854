// A template's text → tokens, with the white space rules of `trim_blocks` and `lstrip_blocks`.
// Source: Jinja 3.1.6, lexer.py, Lexer.tokeniter.

import { strip, stripEnd, stripStart } from "../python-text.ts";
import { TemplateSyntaxFailure } from "./failure.ts";
import { readEscapes } from "./escapes.ts";
import { Float, toInt, type Value } from "./values.ts";

export interface Token {
  readonly kind:
    | "text"
    | "begin output"
    | "end output"
    | "begin block"
    | "end block"
    | "name"
    | "constant"
    | "operator"
    | "end";
  /** The text, the name, the operator. */
  readonly text: string;
  /** Of a constant. */
  readonly value: Value;
  readonly isString: boolean;
  readonly line: number;
}

export function tokenize(template: string): Token[] {
  const source = normalized(template);
  return new Lexer(source.endsWith("\n") ? source.slice(0, -1) : source).run();
}

/** Only these three are ends of lines to Jinja. */
function normalized(text: string): string {
  return text.replace(/\r\n|\r/g, "\n");
}

const opening = /\{%([-+]?)\s*raw\s*(?:-%\}\s*|%\})|\{([%{#])([-+]?)/g;
const endOfComment = /\+#\}|-#\}\s*|#\}\n?/g;
const endOfRaw = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g;
const endOfBlock = /\+%\}|-%\}\s*|%\}\n?/y;
const endOfOutput = /-\}\}\s*|\}\}/y;
const space = /\s+/y;
const float = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const name = /[\p{L}\p{N}\p{M}_]+/uy;
const string = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const operator = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const closers: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #position = 0;
  #line = 1;
  /** The last thing that was read ended with a line break. */
  #startsLine = true;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Token[] {
    while (this.#position < this.#source.length) this.#readText();
    this.#add("end", "");
    return this.#tokens;
  }

  /** Text up to the next mark, and what the mark opens. */
  #readText(): void {
    opening.lastIndex = this.#position;
    const found = opening.exec(this.#source);
    if (found === null) {
      this.#addText(this.#source.slice(this.#position));
      this.#advance(this.#source.length);
      return;
    }
    const [whole, rawSign, kind, sign] = found;
    this.#addText(
      this.#trimmed(this.#source.slice(this.#position, found.index), rawSign ?? sign ?? "", kind === "{"),
    );
    this.#advance(found.index + whole.length);
    if (kind === undefined) this.#readRaw();
    else if (kind === "#") this.#skipComment();
    else if (kind === "{") this.#readCode("begin output", "end output", endOfOutput);
    else this.#readCode("begin block", "end block", endOfBlock);
  }

  /** The text before a mark. */
  #trimmed(text: string, sign: string, isOutput: boolean): string {
    if (sign === "-") return stripEnd(text);
    if (sign === "+" || isOutput) return text;
    const lineStart = text.lastIndexOf("\n") + 1;
    if (lineStart === 0 && !this.#startsLine) return text;
    return strip(text.slice(lineStart)) === "" ? text.slice(0, lineStart) : text;
  }

  #skipComment(): void {
    endOfComment.lastIndex = this.#position;
    const end = endOfComment.exec(this.#source);
    if (end === null) throw this.#failure("Missing end of comment tag");
    this.#advance(this.#endOf(end[0], end.index));
  }

  #readRaw(): void {
    endOfRaw.lastIndex = this.#position;
    const end = endOfRaw.exec(this.#source);
    if (end === null) throw this.#failure("Missing end of raw directive");
    const [whole, sign = ""] = end;
    this.#addText(this.#trimmed(this.#source.slice(this.#position, end.index), sign, false));
    this.#advance(this.#endOf(whole, end.index));
  }

  #readCode(begin: Token["kind"], endKind: Token["kind"], end: RegExp): void {
    this.#add(begin, "");
    const open: string[] = [];
    while (this.#position < this.#source.length) {
      const closed = open.length === 0 ? this.#match(end) : null;
      if (closed !== null) {
        this.#add(endKind, "");
        this.#advance(this.#endOf(closed, this.#position));
        return;
      }
      this.#readToken(open);
    }
  }

  #readToken(open: string[]): void {
    const skipped = this.#match(space);
    if (skipped !== null) return this.#advance(this.#position + skipped.length);
    const isAfterDot = this.#source[this.#position - 1] === ".";
    const token = (isAfterDot ? null : this.#constant(float)) ?? this.#constant(integer);
    if (token !== null) return this.#advance(this.#position + token);
    const named = this.#match(name);
    if (named !== null) {
      if (!/^[\p{ID_Start}_]/u.test(named)) throw this.#failure("Invalid character in identifier");
      this.#add("name", named);
      return this.#advance(this.#position + named.length);
    }
    const quoted = this.#match(string);
    if (quoted !== null) {
      this.#add("constant", quoted, readEscapes(quoted.slice(1, -1)), true);
      return this.#advance(this.#position + quoted.length);
    }
    const sign = this.#match(operator);
    if (sign === null) throw this.#failure(`unexpected char '${this.#source[this.#position] ?? ""}'`);
    const closer = closers[sign];
    if (closer !== undefined) open.push(closer);
    else if (")]}".includes(sign) && open.pop() !== sign) throw this.#failure(`unexpected '${sign}'`);
    this.#add("operator", sign);
    this.#advance(this.#position + sign.length);
  }

  /** Adds a number where there is one, and gives its length. */
  #constant(pattern: RegExp): number | null {
    const digits = this.#match(pattern);
    if (digits === null) return null;
    const plain = digits.replaceAll("_", "");
    this.#add("constant", digits, pattern === float ? new Float(Number(plain)) : toInt(BigInt(plain)));
    return digits.length;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#position;
    return pattern.exec(this.#source)?.[0] ?? null;
  }

  /** Where a closing mark ends; Python strips other white space than a pattern here. */
  #endOf(mark: string, at: number): number {
    const end = at + mark.length;
    if (!mark.startsWith("-") && !/-%\}\s*$/.test(mark)) return end;
    const rest = this.#source.slice(end);
    return end + rest.length - stripStart(rest).length;
  }

  #advance(position: number): void {
    for (
      let at = this.#source.indexOf("\n", this.#position);
      at >= 0 && at < position;
      at = this.#source.indexOf("\n", at + 1)
    )
      this.#line += 1;
    if (position > this.#position) this.#startsLine = this.#source[position - 1] === "\n";
    this.#position = position;
  }

  #addText(text: string): void {
    if (text !== "") this.#add("text", text);
  }

  #add(kind: Token["kind"], text: string, value: Value = null, isString = false): void {
    this.#tokens.push({ kind, text, value, isString, line: this.#line });
  }

  #failure(message: string): TemplateSyntaxFailure {
    return new TemplateSyntaxFailure(`${message} in line ${this.#line}`);
  }
}
