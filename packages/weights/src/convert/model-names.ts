// What a model's name tells: "Meta-Llama-3-8B-Instruct" has a base name, a size, a version and a purpose. Pure.
// Source: llama.cpp v0.5.0, gguf-py/gguf/metadata.py (get_model_id_components, id_to_title) and utility.py (size_label).

export interface NameParts {
  readonly fullName: string | null;
  readonly organization: string | null;
  readonly baseName: string | null;
  readonly purpose: string | null;
  readonly version: string | null;
  readonly sizeLabel: string | null;
}

type Meaning = "baseName" | "sizeLabel" | "purpose" | "version" | "type";

interface Part {
  text: string;
  readonly meanings: Set<Meaning>;
}

/** @param parameterCount of the model; negative: of an adapter, whose model is larger; 0: not known */
export function namePartsOf(id: string, parameterCount: number): NameParts {
  const nothing = { organization: null, baseName: null, purpose: null, version: null, sizeLabel: null };
  if (id.includes(" ")) return { fullName: id, ...nothing };
  const slash = id.indexOf("/");
  const organization = slash < 0 || id.startsWith(".") ? null : id.slice(0, slash);
  const fullName = id.slice(slash + 1);
  const parts = fullName
    .split("-")
    .filter((text) => text !== "")
    .map((text, index) => readPart(text, index, parameterCount));
  dropWordSizes(parts);
  markBaseName(parts);
  const joined = (meaning: Meaning, texts = partsWith(parts, meaning).map(({ text }) => text)) =>
    texts.length === 0 ? null : texts.join("-");
  const sizes = new Set(partsWith(parts, "sizeLabel").map(({ text }) => text));
  const versions = partsWith(parts, "version").filter(({ meanings }) => !meanings.has("baseName"));
  const found = {
    purpose: joined("purpose"),
    sizeLabel: joined("sizeLabel", [...sizes]),
    version: joined(
      "version",
      versions.map(({ text }) => text),
    ),
  };
  const isClear = found.purpose !== null || found.sizeLabel !== null || found.version !== null;
  return { fullName, organization, baseName: isClear ? joined("baseName") : null, ...found };
}

function partsWith(parts: readonly Part[], meaning: Meaning): readonly Part[] {
  return parts.filter(({ meanings }) => meanings.has(meaning));
}

function readPart(text: string, index: number, parameterCount: number): Part {
  const part: Part = { text, meanings: new Set() };
  if (/^(v|iter)?\d+([.]\d+)*$/i.test(text)) part.meanings.add("version");
  else if (/^(i?q\d(_\w)*|b?fp?(16|32))$/i.test(text)) {
    part.meanings.add("type");
    part.text = text.toUpperCase();
  } else if (index > 0 && /^((A|\d+x)?\d+([._]\d+)?[KMBT]\d?|small|mini|medium|large|x?xl)$/i.test(text)) {
    readSize(part, parameterCount);
  } else if (index > 0 && /^(chat|instruct|vision|lora)$/i.test(text)) {
    part.meanings.add(parameterCount < 0 && text.toLowerCase() === "lora" ? "type" : "purpose");
  }
  return part;
}

/** A size far from the model's own is a context length: "128k". */
function readSize(part: Part, parameterCount: number): void {
  let size = part.text.replaceAll("_", ".");
  // "7b1" stands for 7.1b.
  if (/\d$/.test(size)) size = `${size.slice(0, -2)}.${size.at(-1)}${size.at(-2)}`;
  if (/\d[kmbt]$/.test(size)) size = size.slice(0, -1) + size.slice(-1).toUpperCase();
  const digits = size.slice(0, -1);
  if (parameterCount !== 0 && /^\d+(\.\d+)?$/.test(digits)) {
    const count = Number(digits) * 1_000 ** " KMBT".indexOf(size.slice(-1));
    const isTooSmall = parameterCount < 0 && count < Math.floor(-parameterCount / 8);
    const isFarOff =
      parameterCount > 0 && Math.abs(count - parameterCount) > Math.floor((7 * parameterCount) / 8);
    if (isTooSmall || isFarOff) {
      part.meanings.add("purpose");
      size = digits + size.slice(-1).toLowerCase();
    }
  }
  if (part.meanings.size === 0) part.meanings.add("sizeLabel");
  part.text = size;
}

/** "small" says nothing beside "7B". */
function dropWordSizes(parts: readonly Part[]): void {
  const sizes = partsWith(parts, "sizeLabel");
  if (!sizes.some(({ text }) => /\d/.test(text))) return;
  for (const { text, meanings } of sizes) if (/^\p{L}+$/u.test(text)) meanings.delete("sizeLabel");
}

/** The name is what stands before the first part with another meaning; versions inside it belong to it. */
function markBaseName(parts: readonly Part[]): void {
  let isStart = true;
  for (const { text, meanings } of parts) {
    if (isStart && ((meanings.size === 0 && /^\p{L}/u.test(text)) || meanings.has("version"))) {
      meanings.add("baseName");
    } else {
      isStart = false;
      if (meanings.size === 0) meanings.add("purpose");
    }
  }
  for (const { meanings } of parts.toReversed()) {
    if (!meanings.has("baseName") || meanings.size < 2) break;
    meanings.delete("baseName");
  }
}

/** "my-model-v2" → "My Model v2": words in small letters get a capital, versions and numbers do not. */
export function titleOf(name: string): string {
  return name
    .replaceAll("-", " ")
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const isLower = word === word.toLowerCase() && word !== word.toUpperCase();
      if (!isLower || /^(v\d+(\.\d+)*|\d.*)$/.test(word)) return word;
      return word.replaceAll(/\p{L}+/gu, (run) => run.slice(0, 1).toUpperCase() + run.slice(1));
    })
    .join(" ");
}

/** "1.2B", "8B", "151K": two digits at least. */
export function sizeLabelOf(parameterCount: number): string {
  const count = parameterCount;
  const [scale, suffix] =
    count > 1e12 ? [1e-12, "T"] : count > 1e9 ? [1e-9, "B"] : count > 1e6 ? [1e-6, "M"] : [1e-3, "K"];
  const scaled = count * scale;
  const whole = String(roundHalfEven(scaled)).replace(/^0+/, "");
  return `${fixed(scaled, Math.max(2 - whole.length, 0))}${suffix}`;
}

/** Python's rounding, which JavaScript's differs from at exact halves. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function fixed(value: number, digits: number): string {
  const scaled = value * 10 ** digits;
  const isHalf = scaled - Math.floor(scaled) === 0.5 && scaled / 10 ** digits === value;
  return isHalf ? (roundHalfEven(scaled) / 10 ** digits).toFixed(digits) : value.toFixed(digits);
}
