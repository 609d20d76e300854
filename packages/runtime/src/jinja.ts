// The parts of @huggingface/jinja that are used, with types: its declarations import each other without file
// extensions, which TypeScript does not resolve for ES modules, so that everything would be `any`.

import * as library from "@huggingface/jinja";

/** A parsed template, or a part of one. The members are those that are read here, of several kinds. */
export interface Node {
  readonly type: string;
  readonly value?: unknown;
  readonly operator?: { readonly value: string };
  readonly left?: Node;
  readonly right?: Node;
  readonly operand?: Node;
  readonly filter?: Node;
  readonly callee?: Node;
  readonly args?: readonly Node[];
  readonly object?: Node;
  readonly property?: Node;
  readonly computed?: boolean;
}

export interface RuntimeValue {
  /** `StringValue`, `BooleanValue`, … */
  readonly type: string;
  readonly value: unknown;
}

export interface Environment {
  /** Declares a variable, which must be new, and gives its value as the library holds it. */
  set(name: string, value: unknown): RuntimeValue;
}

export interface Interpreter {
  run(program: Node): RuntimeValue;
  evaluate(node: Node | undefined, environment: Environment): RuntimeValue;
}

interface Library {
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => Interpreter;
  readonly parse: (tokens: unknown) => Node;
  readonly tokenize: (
    text: string,
    options: { readonly trim_blocks: boolean; readonly lstrip_blocks: boolean },
  ) => unknown;
}

export const { Environment, Interpreter, parse, tokenize } = library as unknown as Library;
