// Walks a template's statements and gathers what they write. Source: Jinja 3.1.6, compiler.py and runtime.py.

import { Budget } from "./budget.ts";
import { evaluate, evaluateArguments, type Evaluation } from "./evaluate.ts";
import { TemplateFailure, TemplateTooCostly } from "./failure.ts";
import { createFilterContext } from "./filters.ts";
import { globalsFor } from "./globals.ts";
import { LoopState } from "./loop-state.ts";
import { bindMacro } from "./macro.ts";
import { iterate } from "./operators.ts";
import type { Template } from "./parser.ts";
import { Scope } from "./scope.ts";
import { toText } from "./show.ts";
import type { ForStatement, MacroParts, Statement, Target } from "./syntax.ts";
import { callValue } from "./attributes.ts";
import { fromJson, Instance, isTrue, Namespace, Tuple, type Arguments, type Value } from "./values.ts";

export interface RunOptions {
  /** JSON values by name. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly now: () => Date;
  readonly stepLimit: number;
}

export interface Rendered {
  readonly text: string;
  readonly steps: number;
}

/** Fails with `TemplateFailure`, `TemplateRefusal` or `TemplateTooCostly`. */
export function runTemplate(template: Template, { variables, now, stepLimit }: RunOptions): Rendered {
  const budget = new Budget(stepLimit);
  const globals = new Scope(null);
  for (const [name, value] of globalsFor(budget, now)) globals.set(name, value);
  const scope = new Scope(globals);
  for (const [name, value] of Object.entries(variables)) scope.set(name, fromJson(value));
  try {
    const text = new TemplateRun(budget).write(template, new Scope(scope));
    return { text, steps: budget.spentSteps };
  } catch (error) {
    // Of a template's own making: bodies within bodies, or a text that is longer than JavaScript has them.
    if (error instanceof RangeError) throw new TemplateTooCostly();
    throw error;
  }
}

/** Python gives up at about a thousand calls within each other; a stack of JavaScript holds fewer of ours. */
const deepestCall = 400;

/** How a body ended: at its end, or at `break` or `continue`. */
type Ending = "end" | "break" | "continue";

class TemplateRun {
  readonly #evaluation: Evaluation;
  readonly #budget: Budget;
  #depth = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
    this.#evaluation = { filters: createFilterContext(budget) };
  }

  /** The text of a body. */
  write(body: readonly Statement[], scope: Scope): string {
    const parts: string[] = [];
    this.#run(body, scope, parts);
    return parts.join("");
  }

  #run(body: readonly Statement[], scope: Scope, out: string[]): Ending {
    for (const statement of body) {
      const ending = this.#runOne(statement, scope, out);
      if (ending !== "end") return ending;
    }
    return "end";
  }

  #runOne(statement: Statement, scope: Scope, out: string[]): Ending {
    this.#budget.spend(1);
    switch (statement.kind) {
      case "text":
        this.#put(out, statement.text);
        return "end";
      case "output":
        this.#put(out, toText(evaluate(statement.value, scope, this.#evaluation), this.#budget));
        return "end";
      case "if": {
        const branch = statement.branches.find(({ test }) => isTrue(evaluate(test, scope, this.#evaluation)));
        return this.#run(branch?.body ?? statement.otherwise, scope, out);
      }
      case "for":
        this.#runLoop(statement, scope, out, null, 0);
        return "end";
      case "break":
      case "continue":
        return statement.kind;
      case "set":
        this.#assign(statement.target, evaluate(statement.value, scope, this.#evaluation), scope);
        return "end";
      case "capture": {
        const text = this.write(statement.body, new Scope(scope));
        const { filter } = statement;
        const value = filter === null ? text : evaluate(filter, scope, { ...this.#evaluation, block: text });
        this.#assign(statement.target, value, scope);
        return "end";
      }
      case "macro":
        scope.set(statement.name, this.#createMacro(statement.name, statement, scope));
        return "end";
      case "call":
        this.#put(out, toText(this.#runCall(statement, scope), this.#budget));
        return "end";
      case "filtered": {
        const block = this.write(statement.body, new Scope(scope));
        const filtered = evaluate(statement.filter, scope, { ...this.#evaluation, block });
        this.#put(out, toText(filtered, this.#budget));
        return "end";
      }
      case "with": {
        const inner = new Scope(scope);
        // The values are those outside: one binding does not see another.
        for (const { target, value } of statement.bindings)
          this.#assign(target, evaluate(value, scope, this.#evaluation), inner);
        return this.#run(statement.body, inner, out);
      }
      case "scope":
        return this.#run(statement.body, new Scope(scope), out);
      case "load":
        throw new TemplateFailure(`'${statement.tag}' needs other templates, and there are none`);
    }
  }

  #put(out: string[], text: string): void {
    this.#budget.spendCharacters(text.length);
    out.push(text);
  }

  #runLoop(statement: ForStatement, scope: Scope, out: string[], given: Value | null, depth: number): void {
    const values = given ?? evaluate(statement.values, scope, this.#evaluation);
    const items = this.#chosen(statement, values, scope);
    const recurse = (inner: Value) =>
      this.#nested(() => {
        const parts: string[] = [];
        this.#runLoop(statement, scope, parts, inner, depth + 1);
        return parts.join("");
      });
    const state = new LoopState(items, depth, statement.isRecursive ? recurse : null, this.#budget);
    for (const item of items) {
      this.#budget.spend(1);
      state.advance();
      const inner = new Scope(scope);
      inner.set("loop", state.value);
      this.#assign(statement.target, item, inner);
      if (this.#run(statement.body, inner, out) === "break") break;
    }
    // Also after a loop that `continue` left each time; only one that never began has its other body.
    if (items.length === 0) this.#run(statement.otherwise, new Scope(scope), out);
  }

  #chosen({ target, condition }: ForStatement, values: Value, scope: Scope): Value[] {
    const items: Value[] = [];
    for (const item of iterate(values, this.#budget)) {
      this.#budget.spend(1);
      if (condition !== null) {
        const inner = new Scope(scope);
        this.#assign(target, item, inner);
        if (!isTrue(evaluate(condition, inner, this.#evaluation))) continue;
      }
      items.push(item);
    }
    return items;
  }

  #createMacro(name: string | null, parts: MacroParts, scope: Scope): Instance {
    const attributes: Readonly<Record<string, Value>> = {
      name,
      arguments: new Tuple(parts.parameters.map((parameter) => parameter.name)),
      catch_kwargs: parts.reads.has("kwargs"),
      catch_varargs: parts.reads.has("varargs"),
      caller: parts.reads.has("caller"),
    };
    return new Instance({
      shown: name === null ? "<Macro anonymous>" : `<Macro '${name}'>`,
      attribute: (asked) => (Object.hasOwn(attributes, asked) ? attributes[asked] : undefined),
      call: (args) => this.#nested(() => this.#runMacro(name, parts, args, new Scope(scope))),
    });
  }

  #runMacro(name: string | null, parts: MacroParts, args: Arguments, scope: Scope): string {
    bindMacro(name, parts, args, scope, (fallback) => evaluate(fallback, scope, this.#evaluation));
    return this.write(parts.body, scope);
  }

  #runCall({ call, parameters, body, reads }: Extract<Statement, { kind: "call" }>, scope: Scope): Value {
    const callee = evaluate(call.callee, scope, this.#evaluation);
    const { positional, named } = evaluateArguments(call.args, scope, this.#evaluation);
    const caller = this.#createMacro(null, { parameters, body, reads }, scope);
    return callValue(callee, { positional, named: new Map([...named, ["caller", caller]]) });
  }

  #nested<Result>(work: () => Result): Result {
    this.#depth += 1;
    if (this.#depth > deepestCall) throw new TemplateTooCostly();
    const result = work();
    this.#depth -= 1;
    return result;
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    switch (target.kind) {
      case "variable":
        scope.set(target.name, value);
        return;
      case "field": {
        const namespace = scope.get(target.namespace);
        if (!(namespace instanceof Namespace))
          throw new TemplateFailure("cannot assign attribute on non-namespace object");
        namespace.set(target.name, value);
        return;
      }
      case "several": {
        const values = [...iterate(value, this.#budget)];
        const wanted = target.targets.length;
        if (values.length !== wanted)
          throw new TemplateFailure(`${values.length} values to unpack where ${wanted} are expected`);
        for (const [index, inner] of target.targets.entries())
          this.#assign(inner, values[index] ?? null, scope);
      }
    }
  }
}
