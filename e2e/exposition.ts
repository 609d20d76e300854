// A strict reader of Prometheus' text format, version 0.0.4: what it does not expect is an error, as is a histogram
// that contradicts itself.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const sampleLine =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([+-]?Inf|NaN|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,|$)/y;
const suffixes: Readonly<Record<string, readonly string[]>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};

/** Families by name. Throws an Error that names the line. */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("The text does not end with a line feed.");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help: { readonly name: string; readonly text: string } | null = null;
  let current: Family | null = null;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const fail = (why: string) => new Error(`${why}: ${line}`);
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === "HELP") {
      if (!metricName.test(name) || families.has(name)) throw fail("a bad or second HELP");
      help = { name, text: rest };
    } else if (kind === "TYPE") {
      if (help?.name !== name || suffixes[rest] === undefined)
        throw fail("a TYPE without its HELP, or unknown");
      current = { name, type: rest, help: help.text, samples: [] };
      families.set(name, current);
    } else {
      const [, sampled = "", labelText = "", value = ""] = sampleLine.exec(line) ?? [];
      const family: Family | null = current;
      if (sampled === "" || family === null) throw fail("no sample");
      if (!(suffixes[family.type] ?? []).some((suffix) => sampled === family.name + suffix))
        throw fail(`not of the family ${family.name}`);
      const labels = parseLabels(labelText);
      if (labels === null) throw fail("bad labels");
      const series = `${sampled} ${labelsAsText(labels)}`;
      if (seen.has(series)) throw fail("a series twice");
      seen.add(series);
      family.samples.push({ name: sampled, labels, value: numberOf(value) });
    }
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

/** The one value of a series; labels that are not given may have any value. */
export function valueOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>>,
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ""));
  const found = (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new Error(`${found.length} series are ${name} ${JSON.stringify(labels)}.`);
  return only.value;
}

function parseLabels(text: string): Record<string, string> | null {
  const labels: Record<string, string> = {};
  let end = 0;
  labelPair.lastIndex = 0;
  while (end < text.length) {
    const found = labelPair.exec(text);
    const [, label = "", value = ""] = found ?? [];
    if (found === null || Object.hasOwn(labels, label)) return null;
    labels[label] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    end = labelPair.lastIndex;
  }
  return text.endsWith(",") ? null : labels;
}

/** The same text for the same labels, in whatever order they came. */
function labelsAsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .toSorted()
    .join(",");
}

function numberOf(text: string): number {
  return text.endsWith("Inf") ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);
}

/** For each set of labels: bounds ascend to +Inf, counts never fall, and the last is the count. */
function checkHistogram({ name, samples }: Family): void {
  const bySeries = Map.groupBy(samples, ({ labels }) => {
    const { le: _, ...others } = labels;
    return labelsAsText(others);
  });
  for (const [series, own] of bySeries) {
    const wrong = (why: string) => new Error(`${name} ${series}: ${why}`);
    let [bound, count] = [-Infinity, 0];
    for (const { labels, value } of own.filter((sample) => sample.name === `${name}_bucket`)) {
      const next = numberOf(labels["le"] ?? "NaN");
      if (!(next > bound)) throw wrong("bounds do not ascend");
      if (value < count) throw wrong("a bucket holds less than the one below");
      [bound, count] = [next, value];
    }
    if (bound !== Infinity) throw wrong("the last bucket is not +Inf");
    if (own.find((sample) => sample.name === `${name}_count`)?.value !== count)
      throw wrong("the count is not that of the last bucket");
    if (!own.some((sample) => sample.name === `${name}_sum`)) throw wrong("there is no sum");
  }
}
