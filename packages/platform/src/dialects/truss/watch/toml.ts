// TOML 1.0 as far as text, lists and tables go; of numbers, dates and booleans the text is kept. Pure.

export type TomlValue = string | readonly TomlValue[] | TomlTable | TomlScalar;
export type TomlTable = Map<string, TomlValue>;
/** A number, date or boolean. */
export interface TomlScalar {
  readonly text: string;
}

/** Null where the text is no TOML. */
export function readToml(text: string): TomlTable | null {
  try {
    return new Reader(text).document();
  } catch (error) {
    if (error instanceof NotToml) return null;
    throw error;
  }
}

class NotToml extends Error {}

const escapes: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\u001b",
  '"': '"',
  "\\": "\\",
};
/** Lists in lists: whoever writes more of them means harm. */
const deepest = 100;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replaceAll("\r\n", "\n");
  }

  document(): TomlTable {
    const root: TomlTable = new Map();
    let table = root;
    for (;;) {
      this.#skip(/[ \t\n]|#[^\n]*/y);
      if (this.#at >= this.#text.length) return root;
      if (this.#text[this.#at] === "[") table = this.#header(root);
      else this.#pair(table);
      this.#skip(/[ \t]|#[^\n]*/y);
      if (this.#at < this.#text.length && this.#text[this.#at] !== "\n") throw new NotToml();
    }
  }

  #header(root: TomlTable): TomlTable {
    const isList = this.#text.startsWith("[[", this.#at);
    this.#at += isList ? 2 : 1;
    const keys = this.#keys();
    this.#expect(isList ? "]]" : "]");
    if (!isList) return descend(root, keys);
    const last = keys.pop() ?? "";
    const parent = descend(root, keys);
    const there: TomlValue = parent.get(last) ?? [];
    if (!Array.isArray(there)) throw new NotToml();
    const table: TomlTable = new Map();
    // Grown in place: a copy for each would take time with the square of their number.
    there.push(table);
    parent.set(last, there);
    return table;
  }

  #pair(table: TomlTable, depth = 0): void {
    const keys = this.#keys();
    this.#expect("=");
    this.#skip(/[ \t]/y);
    const last = keys.pop() ?? "";
    const parent = descend(table, keys);
    if (parent.has(last)) throw new NotToml();
    parent.set(last, this.#value(depth));
  }

  #keys(): string[] {
    const keys: string[] = [];
    do {
      this.#skip(/[ \t]/y);
      const sign = this.#text[this.#at];
      keys.push(sign === '"' || sign === "'" ? this.#string() : this.#match(/[A-Za-z0-9_-]+/y));
      this.#skip(/[ \t]/y);
    } while (this.#take("."));
    return keys;
  }

  #value(depth: number): TomlValue {
    if (depth > deepest) throw new NotToml();
    const sign = this.#text[this.#at];
    if (sign === '"' || sign === "'") return this.#string();
    if (sign === "[") return this.#list(depth);
    if (sign === "{") return this.#inlineTable(depth);
    return { text: this.#match(/[^\s,\]}#"'=[{]+(?: [0-9][0-9:.+Z-]*)?/y) };
  }

  #list(depth: number): TomlValue[] {
    const values: TomlValue[] = [];
    this.#expect("[");
    for (;;) {
      this.#skip(/[ \t\n]|#[^\n]*/y);
      if (this.#take("]")) return values;
      values.push(this.#value(depth + 1));
      this.#skip(/[ \t\n]|#[^\n]*/y);
      if (!this.#take(",") && this.#text[this.#at] !== "]") throw new NotToml();
    }
  }

  #inlineTable(depth: number): TomlTable {
    const table: TomlTable = new Map();
    this.#expect("{");
    this.#skip(/[ \t]/y);
    while (!this.#take("}")) {
      this.#pair(table, depth + 1);
      this.#skip(/[ \t]/y);
      if (!this.#take(",") && this.#text[this.#at] !== "}") throw new NotToml();
      this.#skip(/[ \t]/y);
    }
    return table;
  }

  #string(): string {
    // Up to two quotes of the text may stand before the closing three.
    if (this.#take("'''")) {
      this.#take("\n");
      return this.#match(/[^]*?'''(?:'{0,2})/y).slice(0, -3);
    }
    if (this.#take('"""')) {
      this.#take("\n");
      const raw = this.#match(/(?:\\[^]|[^\\])*?"""(?:"{0,2})/y).slice(0, -3);
      return unescape(raw.replaceAll(/\\[ \t]*\n\s*/g, ""));
    }
    if (this.#take("'")) return this.#match(/[^'\n]*'/y).slice(0, -1);
    this.#expect('"');
    return unescape(this.#match(/(?:\\.|[^"\\\n])*"/y).slice(0, -1));
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw new NotToml();
    this.#at += found.length;
    return found;
  }

  #skip(pattern: RegExp): void {
    for (pattern.lastIndex = this.#at; pattern.test(this.#text);) this.#at = pattern.lastIndex;
  }

  #take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #expect(word: string): void {
    if (!this.#take(word)) throw new NotToml();
  }
}

/** Of a list of tables, the last one. */
function descend(table: TomlTable, keys: readonly string[]): TomlTable {
  let current = table;
  for (const key of keys) {
    const there = current.get(key);
    const next = Array.isArray(there) ? (there.at(-1) as TomlValue | undefined) : there;
    if (next !== undefined && !(next instanceof Map)) throw new NotToml();
    const own: TomlTable = next ?? new Map<string, TomlValue>();
    if (next === undefined) current.set(key, own);
    current = own;
  }
  return current;
}

function unescape(raw: string): string {
  return raw.replaceAll(
    /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/g,
    (_, four?: string, eight?: string, sign?: string) => {
      const code = four ?? eight;
      const meant = code === undefined ? escapes[sign ?? ""] : characterOf(Number.parseInt(code, 16));
      if (meant === undefined) throw new NotToml();
      return meant;
    },
  );
}

function characterOf(point: number): string | undefined {
  return point > 0x10ffff ? undefined : String.fromCodePoint(point);
}
