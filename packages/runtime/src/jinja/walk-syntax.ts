// What can be told of a parsed template without running it.

import type { Statement } from "./syntax.ts";

const special = ["caller", "varargs", "kwargs"];

/** Which of `caller`, `varargs` and `kwargs` are read anywhere in a body. */
export function namesRead(body: readonly Statement[]): ReadonlySet<string> {
  const found = new Set<string>();
  walk(body, false, ({ kind, name }) => {
    if (kind === "name" && typeof name === "string" && special.includes(name)) found.add(name);
  });
  return found;
}

export interface Unknown {
  readonly kind: "filter" | "test";
  readonly name: string;
}

/**
 * The first filter or test that nobody knows, but for those directly in an `if`: Jinja refuses a template for the
 * former and fails at the latter only when it gets there. Null where there is none.
 */
export function findAlwaysUnknown(
  body: readonly Statement[],
  isKnown: (kind: Unknown["kind"], name: string) => boolean,
): Unknown | null {
  let unknown: Unknown | null = null;
  walk(body, false, (node, isConditional) => {
    const { kind, name } = node;
    const isUnknown =
      (kind === "filter" || kind === "test") && typeof name === "string" && !isKnown(kind, name);
    if (isUnknown && !isConditional) unknown ??= { kind, name };
  });
  return unknown;
}

type Node = Readonly<Record<string, unknown>>;
type Visit = (node: Node, isConditional: boolean) => void;

const conditions: ReadonlySet<unknown> = new Set(["if", "conditional"]);
/** Statements whose bodies Jinja compiles as functions of their own, or as good as. */
const frames: ReadonlySet<unknown> = new Set([
  "for",
  "macro",
  "call",
  "filtered",
  "with",
  "scope",
  "capture",
]);

/** Visits a node before its parts. */
function walk(part: unknown, isConditional: boolean, visit: Visit): void {
  if (Array.isArray(part)) {
    for (const entry of part as unknown[]) walk(entry, isConditional, visit);
  } else if (isNode(part)) {
    visit(part, isConditional);
    const within = conditions.has(part["kind"]) || (isConditional && !frames.has(part["kind"]));
    for (const entry of Object.values(part)) walk(entry, within, visit);
  }
}

/** Values of constants and sets of names are no syntax. */
function isNode(part: unknown): part is Node {
  return typeof part === "object" && part !== null && Object.getPrototypeOf(part) === Object.prototype;
}
