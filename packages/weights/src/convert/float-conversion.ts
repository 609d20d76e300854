// Weights from one float type to another, in pieces. Rounds to nearest, ties to even, as numpy and gguf-py do.
// Sources: IEEE 754 half precision; llama.cpp v0.5.0, gguf-py/gguf/quants.py, BF16.quantize_blocks (NaN made quiet).

export type FloatType = "F32" | "F16" | "BF16";

export const floatBytes: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2, BF16: 2 };

export function isFloatType(name: string): name is FloatType {
  return Object.hasOwn(floatBytes, name);
}

/** `into` gets as many elements as `from` has; both are whole elements, little-endian. */
export type ConvertFloats = (from: Uint8Array, into: Uint8Array) => void;

const conversions = new Map<string, ConvertFloats | null>();

/** Null: the bytes are the same. Tables are made once. */
export function floatConversion(from: FloatType, to: FloatType): ConvertFloats | null {
  const key = `${from} ${to}`;
  const found = conversions.get(key);
  if (found !== undefined) return found;
  const made = makeConversion(from, to);
  conversions.set(key, made);
  return made;
}

function makeConversion(from: FloatType, to: FloatType): ConvertFloats | null {
  if (from === to) return from === "BF16" ? byTable(halfTable("BF16", "BF16")) : null;
  if (from === "F32") return to === "F16" ? singleToHalf : singleToBrain;
  if (to === "F32") return from === "F16" ? halfToSingle() : brainToSingle;
  return byTable(halfTable(from, to));
}

function singleToHalf(from: Uint8Array, into: Uint8Array): void {
  const values = new Float32Array(from.buffer, from.byteOffset, from.byteLength / 4);
  new Float16Array(into.buffer, into.byteOffset, values.length).set(values);
}

function singleToBrain(from: Uint8Array, into: Uint8Array): void {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.byteLength / 4);
  const out = new Uint16Array(into.buffer, into.byteOffset, bits.length);
  for (let index = 0; index < bits.length; index += 1) out[index] = brainOf(bits[index] ?? 0);
}

function brainToSingle(from: Uint8Array, into: Uint8Array): void {
  const halves = new Uint16Array(from.buffer, from.byteOffset, from.byteLength / 2);
  const out = new Uint32Array(into.buffer, into.byteOffset, halves.length);
  for (let index = 0; index < halves.length; index += 1) out[index] = (halves[index] ?? 0) << 16;
}

function halfToSingle(): ConvertFloats {
  const table = new Uint32Array(Float32Array.from(allHalves()).buffer);
  return (from, into) => {
    const halves = new Uint16Array(from.buffer, from.byteOffset, from.byteLength / 2);
    const out = new Uint32Array(into.buffer, into.byteOffset, halves.length);
    for (let index = 0; index < halves.length; index += 1) out[index] = table[halves[index] ?? 0] ?? 0;
  };
}

function byTable(table: Uint16Array): ConvertFloats {
  return (from, into) => {
    const halves = new Uint16Array(from.buffer, from.byteOffset, from.byteLength / 2);
    const out = new Uint16Array(into.buffer, into.byteOffset, halves.length);
    for (let index = 0; index < halves.length; index += 1) out[index] = table[halves[index] ?? 0] ?? 0;
  };
}

/** What each of the 65,536 numbers of 16 bits becomes on its way over 32 bits. */
function halfTable(from: "F16" | "BF16", to: "F16" | "BF16"): Uint16Array {
  const bits =
    from === "F16"
      ? new Uint32Array(Float32Array.from(allHalves()).buffer)
      : Uint32Array.from({ length: 1 << 16 }, (_, half) => half << 16);
  if (to === "BF16") return Uint16Array.from(bits, brainOf);
  return new Uint16Array(Float16Array.from(new Float32Array(bits.buffer)).buffer);
}

function allHalves(): Float16Array {
  return new Float16Array(Uint16Array.from({ length: 1 << 16 }, (_, half) => half).buffer);
}

/** The upper half of a float's bits, rounded. */
function brainOf(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) | 64) & 0xffff;
  return ((bits + (0x7fff + ((bits >>> 16) & 1))) >>> 16) & 0xffff;
}
