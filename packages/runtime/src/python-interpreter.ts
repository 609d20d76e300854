// The Jinja interpreter with Python's own meaning where JavaScript's shows through: `'' == false` is not true, and
// stripping takes Python's white space. Source: @huggingface/jinja 0.5.11, src/runtime.ts; CPython, str.strip.

import { Environment, Interpreter, type Node, type RuntimeValue } from "./jinja.ts";
import { strip, stripEnd, stripStart } from "./python-text.ts";

export class PythonInterpreter extends Interpreter {
  override evaluate(node: Node | undefined, environment: Environment): RuntimeValue {
    if (node?.type === "BinaryExpression") {
      if (node.operator?.value === "==") return asValue(this.#areEqual(node, environment));
      if (node.operator?.value === "!=") return asValue(!this.#areEqual(node, environment));
    } else if (node?.type === "FilterExpression") {
      if (node.filter?.type === "Identifier" && node.filter.value === "trim") {
        return this.#strip(node, node.operand, "strip", environment);
      }
    } else if (node?.type === "CallExpression") {
      const { callee, args } = node;
      const isMethod = callee?.type === "MemberExpression" && callee.computed === false && args?.length === 0;
      const name = callee?.property?.value;
      if (isMethod && typeof name === "string" && Object.hasOwn(strippers, name)) {
        return this.#strip(node, callee?.object, name as StripperName, environment);
      }
    }
    return super.evaluate(node, environment);
  }

  #areEqual({ left, right }: Node, environment: Environment): boolean {
    return areEqual(this.evaluate(left, environment), this.evaluate(right, environment));
  }

  #strip(whole: Node, operand: Node | undefined, name: StripperName, environment: Environment): RuntimeValue {
    const value = this.evaluate(operand, environment);
    return value.type === "StringValue"
      ? asValue(strippers[name](String(value.value)))
      : super.evaluate(whole, environment);
  }
}

const strippers = { strip, lstrip: stripStart, rstrip: stripEnd };
type StripperName = keyof typeof strippers;

/** A JavaScript value as the library's own, whose classes it does not export. */
function asValue(value: string | boolean): RuntimeValue {
  return new Environment().set("value", value);
}

/** Python's `==`: numbers and booleans compare as numbers, containers by their content, other kinds never. */
function areEqual(left: RuntimeValue, right: RuntimeValue): boolean {
  const [a, b] = [left.value, right.value];
  if (isNumeric(a) && isNumeric(b)) return Number(a) === Number(b);
  if (Array.isArray(a) && Array.isArray(b)) {
    return (
      a.length === b.length &&
      a.every((entry, index) => areEqual(entry as RuntimeValue, b[index] as RuntimeValue))
    );
  }
  if (a instanceof Map && b instanceof Map) {
    return (
      a.size === b.size &&
      [...a].every(
        ([key, entry]) => b.has(key) && areEqual(entry as RuntimeValue, b.get(key) as RuntimeValue),
      )
    );
  }
  return left.type === right.type && a === b;
}

function isNumeric(value: unknown): value is number | boolean {
  return typeof value === "number" || typeof value === "boolean";
}
