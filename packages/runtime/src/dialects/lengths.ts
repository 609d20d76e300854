// Which length holds where a caller, a deployment and a model's file may each name one. Knows no dialect.

/** All names under which a default may set the length of an answer. */
const lengthNames = ["max_length", "max_new_tokens", "max_tokens"] as const;

type Values = Readonly<Record<string, unknown>>;

export function hasValue(values: Values, name: string): boolean {
  return (values[name] ?? null) !== null;
}

/** A deployment's defaults over the model's generation_config.json. A length among them displaces the file's. */
export function mergeConfig(generationConfig: Values, defaults: Values): Record<string, unknown> {
  const setsLength = lengthNames.some((name) => hasValue(defaults, name));
  return { ...(setsLength ? withoutLengths(generationConfig) : generationConfig), ...defaults };
}

/** A length that the caller gives displaces every default of one. */
export function withoutLengths(config: Values): Record<string, unknown> {
  const names: readonly string[] = lengthNames;
  return Object.fromEntries(Object.entries(config).filter(([name]) => !names.includes(name)));
}
