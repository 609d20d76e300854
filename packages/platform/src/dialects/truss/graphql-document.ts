// The text of a GraphQL request → what it asks of its root fields. The grammar is the library's; there is no schema:
// answers are made by hand, and hold more than was asked for. Pure.

import {
  GraphQLError,
  Kind,
  parse,
  type DocumentNode,
  type FieldNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from "graphql";
import { ServingError } from "@corral/contract";

export type GraphQlValue =
  | string
  | number
  | boolean
  | null
  | readonly GraphQlValue[]
  | { readonly [name: string]: GraphQlValue };

export interface RootField {
  readonly name: string;
  /** Under which its answer stands. */
  readonly key: string;
  readonly arguments: Readonly<Record<string, GraphQlValue>>;
  /** Names of every field below it, at any depth. */
  readonly selected: ReadonlySet<string>;
}

export interface GraphQlCall {
  readonly operation: "query" | "mutation";
  readonly fields: readonly RootField[];
}

/** Far above what the Truss command sends: its longest call has about 150 words, patches being one of them. */
const mostTokens = 2_000;
const deepest = 10;
const mostFields = 10;

/** Fails with `invalid_parameter` in sentences that the Truss command prints. */
export function readDocument(query: string, variables: Readonly<Record<string, unknown>>): GraphQlCall {
  const document = parsed(query);
  const [operation, ...others] = document.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION || others.length > 0) {
    throw refuse("The query must be one operation without fragments.");
  }
  if (operation.operation === "subscription") throw refuse("Subscriptions are not answered here.");
  requireShallow(operation.selectionSet, 1);
  const fields = fieldsOf(operation.selectionSet);
  if (fields.length > mostFields) throw refuse(`At most ${mostFields} fields are answered in one request.`);
  const values = variablesOf(operation, variables);
  const keys = new Set(fields.map(({ alias, name }) => (alias ?? name).value));
  if (keys.size < fields.length) throw refuse("Two fields would have the same name in the answer.");
  return {
    operation: operation.operation,
    fields: fields.map((field) => ({
      name: field.name.value,
      key: (field.alias ?? field.name).value,
      arguments: Object.fromEntries(
        (field.arguments ?? []).map(({ name, value }) => [name.value, valueOf(value, values)]),
      ),
      selected: namesBelow(field),
    })),
  };
}

function parsed(query: string): DocumentNode {
  try {
    return parse(query, { maxTokens: mostTokens, noLocation: true });
  } catch (error) {
    const why = error instanceof GraphQLError ? error.message : "It is nested too deeply.";
    throw refuse(`The query is not valid GraphQL. ${why}`);
  }
}

function fieldsOf({ selections }: SelectionSetNode): FieldNode[] {
  return selections.map((selection) => {
    if (selection.kind === Kind.FIELD) return selection;
    throw refuse("Fragments are not taken here; write the fields out.");
  });
}

function requireShallow(set: SelectionSetNode, depth: number): void {
  if (depth > deepest) throw refuse(`The query is nested deeper than ${deepest} levels.`);
  for (const { directives = [], selectionSet } of fieldsOf(set)) {
    if (directives.length > 0) throw refuse("Directives are not taken here.");
    if (selectionSet !== undefined) requireShallow(selectionSet, depth + 1);
  }
}

function namesBelow(field: FieldNode): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (set: SelectionSetNode | undefined) => {
    for (const inner of set === undefined ? [] : fieldsOf(set)) {
      names.add(inner.name.value);
      visit(inner.selectionSet);
    }
  };
  visit(field.selectionSet);
  return names;
}

function variablesOf(
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, GraphQlValue> {
  return new Map(
    variableDefinitions.map(({ variable, defaultValue, type }) => {
      const name = variable.name.value;
      // JSON came in, so JSON it is.
      if (Object.hasOwn(given, name)) return [name, given[name] as GraphQlValue];
      if (defaultValue !== undefined) return [name, valueOf(defaultValue, new Map())];
      if (type.kind === Kind.NON_NULL_TYPE) throw refuse(`The variable $${name} is missing.`);
      return [name, null];
    }),
  );
}

function valueOf(node: ValueNode, variables: ReadonlyMap<string, GraphQlValue>): GraphQlValue {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.ENUM:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((value) => valueOf(value, variables));
    case Kind.OBJECT:
      return Object.fromEntries(
        node.fields.map(({ name, value }) => [name.value, valueOf(value, variables)]),
      );
    case Kind.VARIABLE: {
      const value = variables.get(node.name.value);
      if (value === undefined) throw refuse(`The variable $${node.name.value} is not declared.`);
      return value;
    }
  }
}

function refuse(message: string): ServingError {
  return new ServingError("invalid_parameter", message);
}
