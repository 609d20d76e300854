// Filters over lists and other things that can be iterated over. Source: Jinja 3.1.6, filters.py.

import { TemplateFailure } from "./failure.ts";
import {
  attributeGetter,
  filter,
  itemsFor,
  listFor,
  openFilter,
  withoutCase,
  type Filter,
  type FilterContext,
} from "./filter-context.ts";
import { areEqual, combine, compare, iterate, keyOf } from "./operators.ts";
import { asInt } from "./parameters.ts";
import { toText } from "./show.ts";
import { lengthOf } from "./text.ts";
import {
  DictView,
  Generator,
  isDict,
  isList,
  isText,
  isTrue,
  kindOf,
  Range,
  SafeText,
  textOf,
  Tuple,
  Undefined,
  type Arguments,
  type Value,
} from "./values.ts";

const length = filter("", (value, _, { budget }) => {
  if (isText(value)) {
    budget.spendCharacters(textOf(value).length);
    return lengthOf(textOf(value));
  }
  if (isList(value) || value instanceof Range) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (isDict(value)) return value.size;
  if (value instanceof DictView) return value.dict.size;
  if (value instanceof Undefined) return 0;
  throw new TemplateFailure(`object of type '${kindOf(value)}' has no len()`);
});

const selecting = (wanted: boolean, byAttribute: boolean): Filter =>
  openFilter((value, _, context, args) => new Generator(select(value, wanted, byAttribute, context, args)));

export const sequenceFilters: Readonly<Record<string, Filter>> = {
  length,
  count: length,
  list: filter("", (value, _, context) => listFor(value, context)),
  first: filter("", (value, _, context) => {
    for (const item of itemsFor(value, context)) return item;
    return new Undefined("No first item, sequence was empty.");
  }),
  last: filter("", (value, _, context) => {
    if (value instanceof Generator) throw new TemplateFailure("'generator' object is not reversible");
    const last = listFor(value, context).at(-1);
    return last === undefined ? new Undefined("No last item, sequence was empty.") : last;
  }),
  reverse: filter("", (value, _, context) => {
    if (isText(value)) {
      context.budget.spend(textOf(value).length / 8);
      const reversed = Array.from(textOf(value)).toReversed().join("");
      return typeof value === "string" ? reversed : new SafeText(reversed);
    }
    const reversed = listFor(value, context).toReversed();
    return value instanceof Generator ? reversed : new Generator(reversed);
  }),
  join: filter("d attribute", (value, [separator = "", attribute], context) => {
    const { budget } = context;
    const between = toText(separator, budget);
    const parts = Array.from(itemsFor(value, context), attributeGetter(attribute, context)).map((part) =>
      toText(part, budget),
    );
    budget.spendCharacters(parts.reduce((sum, part) => sum + part.length + between.length, 0));
    return parts.join(between);
  }),
  sort: filter("reverse case_sensitive attribute", (value, [reverse, caseSensitive, attribute], context) => {
    const key = multiKey(attribute, isTrue(caseSensitive ?? false), context);
    return sortBy(listFor(value, context), key, isTrue(reverse ?? false), context);
  }),
  dictsort: filter("case_sensitive by reverse", (value, [caseSensitive, by = "key", reverse], context) => {
    if (by !== "key" && by !== "value")
      throw new TemplateFailure('You can only sort by either "key" or "value"');
    if (value instanceof Undefined) return value.fail();
    if (!isDict(value)) throw new TemplateFailure(`'${kindOf(value)}' object has no attribute 'items'`);
    const place = by === "key" ? 0 : 1;
    const key = (entry: Value) => {
      const part = (entry instanceof Tuple ? entry.items[place] : null) ?? null;
      return isTrue(caseSensitive ?? false) ? part : withoutCase(part);
    };
    return sortBy(new DictView("items", value).items, key, isTrue(reverse ?? false), context);
  }),
  unique: filter("case_sensitive attribute", (value, [caseSensitive, attribute], context) => {
    const key = singleKey(attribute, isTrue(caseSensitive ?? false), context);
    return new Generator(unique(value, key, context));
  }),
  min: filter("case_sensitive attribute", (value, [caseSensitive, attribute], context) =>
    extreme(value, singleKey(attribute, isTrue(caseSensitive ?? false), context), -1, context),
  ),
  max: filter("case_sensitive attribute", (value, [caseSensitive, attribute], context) =>
    extreme(value, singleKey(attribute, isTrue(caseSensitive ?? false), context), 1, context),
  ),
  sum: filter("attribute start", (value, [attribute, start = 0], context) => {
    const get = attributeGetter(attribute, context);
    return listFor(value, context).reduce<Value>(
      (sum, entry) => combine("+", sum, get(entry), context.budget),
      start,
    );
  }),
  map: openFilter((value, _, context, args) => new Generator(map(value, context, args))),
  select: selecting(true, false),
  reject: selecting(false, false),
  selectattr: selecting(true, true),
  rejectattr: selecting(false, true),
  groupby: filter(
    "attribute default case_sensitive",
    (value, [attribute, fallback, caseSensitive], context) => {
      const real = attributeGetter(attribute, context, fallback ?? null);
      const isSensitive = isTrue(caseSensitive ?? false);
      const key = (entry: Value) => (isSensitive ? real(entry) : withoutCase(real(entry)));
      const groups: { key: Value; items: Value[] }[] = [];
      for (const entry of sortBy(listFor(value, context), key, false, context)) {
        const own = key(entry);
        const last = groups.at(-1);
        if (last !== undefined && areEqual(last.key, own, context.budget)) last.items.push(entry);
        else groups.push({ key: own, items: [entry] });
      }
      return groups.map(({ key: own, items }) => {
        const shown = isSensitive ? own : real(items[0] ?? null);
        return new Tuple([shown, items], ["grouper", "list"]);
      });
    },
  ),
  batch: filter("linecount fill_with", (value, [count, fill], context) => {
    const size = asInt(count, 0);
    const all = listFor(value, context);
    // A line is closed by the entry after it, so that one of no entries is never full.
    const lines = size < 1 ? (all.length === 0 ? [] : [all]) : [...chunks(all, size)];
    const last = lines.at(-1);
    if ((fill ?? null) !== null && last !== undefined && last.length < size) {
      context.budget.spend(size);
      last.push(...Array.from({ length: size - last.length }, () => fill ?? null));
    }
    return new Generator(lines);
  }),
  slice: filter("slices fill_with", (value, [count, fill], context) => {
    const size = asInt(count, 0);
    if (size < 1) throw new TemplateFailure("slice: at least one slice is needed");
    context.budget.spend(size);
    const all = listFor(value, context);
    const [least, extra] = [Math.floor(all.length / size), all.length % size];
    let start = 0;
    const slices = Array.from({ length: size }, (_, index) => {
      const own = all.slice(start, start + least + (index < extra ? 1 : 0));
      start += own.length;
      if ((fill ?? null) !== null && index >= extra) own.push(fill ?? null);
      return own;
    });
    return new Generator(slices);
  }),
};

function* chunks(all: readonly Value[], size: number): Generator_<Value[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size);
}

type Generator_<Item> = globalThis.Generator<Item, void, undefined>;

function* map(value: Value, context: FilterContext, { positional, named }: Arguments): Generator_<Value> {
  if (!isTrue(value)) return;
  const [name, ...rest] = positional;
  let apply: (item: Value) => Value;
  if (name === undefined && named.has("attribute")) {
    const odd = [...named.keys()].find((given) => given !== "attribute" && given !== "default");
    if (odd !== undefined) throw new TemplateFailure(`Unexpected keyword argument '${odd}'`);
    apply = attributeGetter(named.get("attribute"), context, named.get("default") ?? null);
  } else {
    if (name === undefined || !isText(name)) throw new TemplateFailure("map requires a filter argument");
    apply = (item) => context.filter(textOf(name), item, { positional: rest, named });
  }
  for (const item of iterate(value, context.budget)) yield apply(item);
}

function* select(
  value: Value,
  wanted: boolean,
  byAttribute: boolean,
  context: FilterContext,
  { positional }: Arguments,
): Generator_<Value> {
  if (!isTrue(value)) return;
  if (byAttribute && positional.length === 0)
    throw new TemplateFailure("Missing parameter for attribute name");
  const get = attributeGetter(byAttribute ? positional[0] : undefined, context);
  const [name, ...rest] = byAttribute ? positional.slice(1) : positional;
  const holds = (item: Value) =>
    name === undefined ? isTrue(item) : context.test(toText(name, context.budget), item, rest);
  for (const item of iterate(value, context.budget)) if (holds(get(item)) === wanted) yield item;
}

function* unique(value: Value, key: (entry: Value) => Value, context: FilterContext): Generator_<Value> {
  const seen: Value[] = [];
  for (const item of itemsFor(value, context)) {
    // Fails, as in Python, for what cannot be in a set.
    const own = keyOf(key(item));
    if (seen.some((other) => areEqual(other, own, context.budget))) continue;
    seen.push(own);
    yield item;
  }
}

type Key = (entry: Value) => Value;

function singleKey(attribute: Value | undefined, caseSensitive: boolean, context: FilterContext): Key {
  const get = attributeGetter(attribute, context);
  return caseSensitive ? get : (entry) => withoutCase(get(entry));
}

/** Several attributes, between commas, one after the other. */
function multiKey(attribute: Value | undefined, caseSensitive: boolean, context: FilterContext): Key {
  const names = attribute !== undefined && isText(attribute) ? textOf(attribute).split(",") : [attribute];
  const keys = names.map((name) => singleKey(name, caseSensitive, context));
  return (entry) => keys.map((key) => key(entry));
}

function sortBy(values: readonly Value[], key: Key, reverse: boolean, { budget }: FilterContext): Value[] {
  const keyed = values.map((value) => ({ value, key: key(value) }));
  const order = reverse ? -1 : 1;
  return keyed.toSorted((a, b) => order * compare(a.key, b.key, budget)).map(({ value }) => value);
}

function extreme(value: Value, key: Key, sign: number, context: FilterContext): Value {
  const [first, ...rest] = listFor(value, context);
  if (first === undefined) return new Undefined("No aggregated item, sequence was empty.");
  return rest.reduce(
    (best, entry) => (compare(key(entry), key(best), context.budget) * sign > 0 ? entry : best),
    first,
  );
}
