// A parsed template: what the parser makes and the interpreter walks.

import type { BinaryOperator } from "./operators.ts";
import type { Value } from "./values.ts";

export type Expression =
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "list" | "tuple"; readonly items: readonly Expression[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "not"; readonly operand: Expression }
  | { readonly kind: "sign"; readonly sign: "-" | "+"; readonly operand: Expression }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "compare"; readonly first: Expression; readonly rest: readonly Comparison[] }
  | { readonly kind: "concat"; readonly parts: readonly Expression[] }
  | {
      readonly kind: "conditional";
      readonly test: Expression;
      readonly yes: Expression;
      readonly no: Expression | null;
    }
  | { readonly kind: "attribute"; readonly object: Expression; readonly name: string }
  | { readonly kind: "item"; readonly object: Expression; readonly index: Expression }
  | {
      readonly kind: "slice";
      readonly object: Expression;
      /** Start, stop and step. */
      readonly bounds: readonly (Expression | null)[];
    }
  | { readonly kind: "call"; readonly callee: Expression; readonly args: CallArguments }
  | FilterExpression
  | {
      readonly kind: "test";
      readonly operand: Expression;
      readonly name: string;
      readonly args: CallArguments;
    };

export interface FilterExpression {
  readonly kind: "filter";
  /** Null: the text of the block that the filter is put on. */
  readonly operand: Expression | null;
  readonly name: string;
  readonly args: CallArguments;
}

export interface Comparison {
  readonly operator: "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";
  readonly operand: Expression;
}

export interface CallArguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** Of `*list` and `**dict`. */
  readonly list: Expression | null;
  readonly dict: Expression | null;
}

export type Target =
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "several"; readonly targets: readonly Target[] }
  | { readonly kind: "field"; readonly namespace: string; readonly name: string };

export interface Parameter {
  readonly name: string;
  readonly fallback: Expression | null;
}

export interface MacroParts {
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
  /** Which of `caller`, `varargs` and `kwargs` the body reads. */
  readonly reads: ReadonlySet<string>;
}

export type Statement =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "output"; readonly value: Expression }
  | {
      readonly kind: "if";
      readonly branches: readonly { readonly test: Expression; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    }
  | ForStatement
  | { readonly kind: "break" | "continue" }
  | { readonly kind: "set"; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: "capture";
      readonly target: Target;
      readonly filter: Expression | null;
      readonly body: readonly Statement[];
    }
  | ({ readonly kind: "macro"; readonly name: string } & MacroParts)
  | ({ readonly kind: "call"; readonly call: Expression & { kind: "call" } } & MacroParts)
  | { readonly kind: "filtered"; readonly filter: Expression; readonly body: readonly Statement[] }
  | {
      readonly kind: "with";
      readonly bindings: readonly { readonly target: Target; readonly value: Expression }[];
      readonly body: readonly Statement[];
    }
  /** A body whose variables stay inside it. */
  | { readonly kind: "scope"; readonly body: readonly Statement[] }
  /** Of a loader of other templates, which chats have none of. */
  | { readonly kind: "load"; readonly tag: string };

export interface ForStatement {
  readonly kind: "for";
  readonly target: Target;
  readonly values: Expression;
  readonly condition: Expression | null;
  readonly isRecursive: boolean;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}
