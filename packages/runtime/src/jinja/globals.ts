// Functions that every template has. Source: Jinja 3.1.6, defaults.py and utils.py; transformers 5.23.0,
// utils/chat_template_utils.py.

import { formatTime } from "../strftime.ts";
import { dictFromKeys } from "./attributes.ts";
import type { Budget } from "./budget.ts";
import { TemplateFailure, TemplateRefusal } from "./failure.ts";
import { dictOf, iterate } from "./operators.ts";
import { asInt, bind } from "./parameters.ts";
import { toText } from "./show.ts";
import {
  Instance,
  isDict,
  isText,
  Namespace,
  Range,
  textOf,
  Undefined,
  type Arguments,
  type Dict,
  type Value,
} from "./values.ts";

export function globalsFor(budget: Budget, now: () => Date): readonly (readonly [string, Value])[] {
  const functions: Readonly<Record<string, (args: Arguments) => Value>> = {
    range: rangeOf,
    namespace: (args) =>
      new Namespace(
        new Map([...makeDict("namespace", args, budget)].map(([key, value]) => [toText(key, budget), value])),
      ),
    raise_exception: (args) => {
      const [message = null] = bind("raise_exception", ["message"], args, 1);
      throw new TemplateRefusal(toText(message, budget));
    },
    strftime_now: (args) => {
      const [format = null] = bind("strftime_now", ["format"], args, 1);
      if (!isText(format)) throw new TemplateFailure("strftime_now() takes a text");
      return formatTime(now(), textOf(format));
    },
    cycler: createCycler,
    joiner: createJoiner,
  };
  const dict = new Instance({
    shown: "<class 'dict'>",
    attribute: (name) =>
      name === "fromkeys"
        ? new Instance({ shown: "<method fromkeys>", call: (args) => dictFromKeys(args, budget) })
        : undefined,
    call: (args) => makeDict("dict", args, budget),
  });
  const made = Object.entries(functions).map(
    ([name, call]) => [name, new Instance({ shown: `<function ${name}>`, call })] as const,
  );
  return [...made, ["dict", dict]];
}

function rangeOf({ positional, named }: Arguments): Range {
  if (named.size > 0) throw new TemplateFailure("range() takes no keyword arguments");
  if (positional.length === 0 || positional.length > 3)
    throw new TemplateFailure("range() takes 1 to 3 arguments");
  const [first = 0, second, step = 1] = positional.map((value) => asInt(value, 0));
  return second === undefined ? new Range(0, first, 1) : new Range(first, second, step);
}

/** `dict(mapping or pairs, **named)`. */
function makeDict(callee: string, { positional, named }: Arguments, budget: Budget): Dict {
  const [source, ...more] = positional;
  if (more.length > 0) throw new TemplateFailure(`${callee} expected at most 1 argument`);
  return dictOf([...(source === undefined ? [] : pairsOf(source, budget)), ...named]);
}

function pairsOf(source: Value, budget: Budget): (readonly [Value, Value])[] {
  if (isDict(source)) return [...source];
  if (source instanceof Undefined) return [];
  return Array.from(iterate(source, budget), (pair) => {
    const [key, value, ...more] = iterate(pair, budget);
    if (key === undefined || value === undefined || more.length > 0)
      throw new TemplateFailure("dictionary update sequence needs pairs");
    return [key, value] as const;
  });
}

/** Gives its items in turn, over and over. */
function createCycler({ positional }: Arguments): Instance {
  if (positional.length === 0) throw new TemplateFailure("at least one item has to be provided");
  let index = 0;
  const current = (): Value => positional[index] ?? null;
  const method = (name: string, call: () => Value) => new Instance({ shown: `<method ${name}>`, call });
  return new Instance({
    shown: "<Cycler>",
    attribute(name) {
      if (name === "current") return current();
      if (name === "reset")
        return method(name, () => {
          index = 0;
          return null;
        });
      if (name !== "next") return undefined;
      return method(name, () => {
        const given = current();
        index = (index + 1) % positional.length;
        return given;
      });
    },
  });
}

/** Gives nothing the first time and its separator from then on. */
function createJoiner(args: Arguments): Instance {
  const [separator = ", "] = bind("joiner", ["sep"], args);
  let used = false;
  return new Instance({
    shown: "<Joiner>",
    call() {
      const given = used ? separator : "";
      used = true;
      return given;
    },
  });
}
