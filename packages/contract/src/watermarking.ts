// What a `watermarking_config` may hold. Its `ngram_len` tells SynthID from green lists (KGW), which Hugging Face tells
// by class. Source: transformers 5.23.0, generation/configuration_utils.py, WatermarkingConfig and
// SynthIDTextWatermarkingConfig, and their processors; deviates in the bounds of SynthID's costs.

interface Setting {
  /** Undefined: it must be given. */
  readonly default?: unknown;
  readonly must: string;
  readonly allows: (value: unknown) => boolean;
}

function integer(least: number, most: number, value?: number): Setting {
  const allows = (given: unknown) =>
    Number.isSafeInteger(given) && (given as number) >= least && (given as number) <= most;
  const must =
    most === Number.MAX_SAFE_INTEGER
      ? `an integer of at least ${least}`
      : `an integer from ${least} to ${most}`;
  return { must, allows, ...(value === undefined ? {} : { default: value }) };
}

const boolean: Setting = {
  default: false,
  must: "true or false",
  allows: (value) => typeof value === "boolean",
};
const most = Number.MAX_SAFE_INTEGER;

const kgwSettings: Readonly<Record<string, Setting>> = {
  greenlist_ratio: {
    default: 0.25,
    must: "a number above 0 and below 1",
    allows: (value) => typeof value === "number" && value > 0 && value < 1,
  },
  bias: { default: 2, must: "a number", allows: Number.isFinite },
  hashing_key: integer(0, most, 15_485_863),
  seeding_scheme: {
    default: "lefthash",
    must: '"lefthash" or "selfhash"',
    allows: (value) => value === "lefthash" || value === "selfhash",
  },
  context_width: integer(1, most, 1),
};

/** Each key costs a pass over the vocabulary at every step. */
const mostKeys = 64;

const synthIdSettings: Readonly<Record<string, Setting>> = {
  ngram_len: integer(1, 1024),
  keys: {
    must: `a list of 1 to ${mostKeys} integers`,
    allows: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= mostKeys &&
      value.every(Number.isSafeInteger),
  },
  context_history_size: integer(0, 2 ** 20, 1024),
  sampling_table_seed: integer(0, most, 0),
  sampling_table_size: integer(1, 2 ** 24, 2 ** 16),
  skip_first_ngram_calls: boolean,
  debug_mode: boolean,
};

type Given = Readonly<Record<string, unknown>>;

function isSynthId(given: Given): boolean {
  return Object.hasOwn(given, "ngram_len");
}

function settingsFor(given: Given): Readonly<Record<string, Setting>> {
  return isSynthId(given) ? synthIdSettings : kgwSettings;
}

/** What is expected, as the end of "must be …", where the object does not say it; else null. */
export function watermarkProblem(given: Given): string | null {
  const settings = settingsFor(given);
  const names = Object.keys(settings).join(", ");
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(settings, name)) {
      const other = isSynthId(given) ? "" : "; with ngram_len and keys it is SynthID's";
      return `an object with ${names} only, without ${JSON.stringify(name.slice(0, 40))}${other}`;
    }
  }
  for (const [name, { must, allows, default: otherwise }] of Object.entries(settings)) {
    if (!Object.hasOwn(given, name) ? otherwise === undefined : !allows(given[name])) {
      return `an object whose ${name} is ${must}`;
    }
  }
  return null;
}

interface GreenLists {
  readonly greenlist_ratio: number;
  readonly bias: number;
  readonly hashing_key: number;
  readonly seeding_scheme: "lefthash" | "selfhash";
  readonly context_width: number;
}

interface SynthId {
  readonly ngram_len: number;
  readonly keys: readonly number[];
  readonly context_history_size: number;
  readonly sampling_table_seed: number;
  readonly sampling_table_size: number;
  readonly skip_first_ngram_calls: boolean;
  readonly debug_mode: boolean;
}

export type FilledWatermark =
  | { readonly kind: "kgw"; readonly settings: GreenLists }
  | { readonly kind: "synthid"; readonly settings: SynthId };

/** The object with its defaults filled in; only for one without a problem. */
export function fillWatermark(given: Given): FilledWatermark {
  const kind = isSynthId(given) ? "synthid" : "kgw";
  const defaults = Object.entries(settingsFor(given)).map(([name, setting]) => [name, setting.default]);
  const settings: unknown = { ...Object.fromEntries(defaults), ...given };
  return { kind, settings } as FilledWatermark;
}
