// Will it fit: what a replica of some weights needs of a machine, and what would make it fit. Pure.

import type { CacheType, Quantization } from "@corral/contract";
import type { GgufHeader } from "../gguf/header.ts";
import { byteText } from "./byte-text.ts";
import { cellStep } from "./kv-cache.ts";
import { modelShape } from "./model-shape.ts";
import { memoryParts, needsOf, type FitNeeds } from "./needs.ts";
import type { Processor } from "./processor.ts";
import { isQuantizable, quantizedBytes, suggestedQuantizations } from "./quantized-size.ts";
import { replicaContext, type ContextWishes, type ReplicaContext } from "./replica-context.ts";

export type { FitNeeds } from "./needs.ts";

export interface FitWishes extends ContextWishes {
  /** Of what is loaded beside the model, such as draft models. */
  readonly extraBytes?: number;
}

export interface FitMachine {
  readonly freeBytes: number;
  readonly processor: Processor;
}

/** One change, or two together, with which it fits. */
export interface FitRemedy {
  readonly contextLength?: number;
  readonly cacheType?: CacheType;
  readonly precision?: "default";
  readonly quantization?: Quantization;
}

export type Fit =
  /** With as many cells as were wanted, or as many as there is room for. */
  | { readonly kind: "fits"; readonly needs: FitNeeds; readonly context: ReplicaContext }
  | {
      readonly kind: "too_large";
      /** With one full context and no cell more. */
      readonly needs: FitNeeds;
      readonly context: ReplicaContext;
      /** The least change first. */
      readonly remedies: readonly FitRemedy[];
      /** "It needs 9.1 GB of 6.2 GB free …; it fits with --context-length 8192, or …" */
      readonly advice: string;
    };

/** Shorter contexts are of little use. */
const leastContextLength = 512;

export function fitOf(header: GgufHeader, wishes: FitWishes, machine: FitMachine): Fit {
  const measure = measureOf(header, wishes, machine);
  const wanted = measure.of(wishes);
  if (wanted.totalBytes <= machine.freeBytes)
    return { kind: "fits", needs: wanted, context: measure.context(wishes) };
  const { contextLength, cellCount: mostCells } = measure.context(wishes);
  const leastCells = roundUp(contextLength);
  const least = measure.of(wishes, leastCells);
  const mayShrink = wishes.cellCount === null && leastCells < mostCells;
  if (mayShrink && least.totalBytes <= machine.freeBytes) {
    const cells = largest(leastCells, mostCells, (count) => measure.fits(wishes, count));
    return { kind: "fits", needs: measure.of(wishes, cells), context: measure.context(wishes, cells) };
  }
  const cells = mayShrink ? leastCells : mostCells;
  const remedies = remediesOf(header, wishes, measure);
  const needs = measure.of(wishes, cells);
  return {
    kind: "too_large",
    needs,
    context: measure.context(wishes, cells),
    remedies,
    advice: adviceText(needs, machine.freeBytes, remedies),
  };
}

interface Measure {
  context(wishes: FitWishes, cellCount?: number): ReplicaContext;
  /** @param weightsBytes instead of the file's own */
  of(wishes: FitWishes, cellCount?: number, weightsBytes?: number): FitNeeds;
  fits(wishes: FitWishes, cellCount: number, weightsBytes?: number): boolean;
}

function measureOf(header: GgufHeader, { extraBytes = 0 }: FitWishes, machine: FitMachine): Measure {
  const shape = modelShape(header);
  const context = (wishes: FitWishes, cellCount?: number) =>
    replicaContext(wishes, shape.trainedContextLength, shape.vocabularySize, cellCount);
  const of = (wishes: FitWishes, cellCount?: number, weightsBytes?: number): FitNeeds => {
    const parts = memoryParts(header, context(wishes, cellCount), machine.processor, shape);
    const needs = needsOf(parts, shape.vocabularySize);
    const change = extraBytes + (weightsBytes === undefined ? 0 : weightsBytes - needs.weightsBytes);
    return {
      ...needs,
      weightsBytes: needs.weightsBytes + change,
      totalBytes: needs.totalBytes + change,
      residentBytes: needs.residentBytes + change,
    };
  };
  const fits = (wishes: FitWishes, cellCount: number, weightsBytes?: number) =>
    of(wishes, cellCount, weightsBytes).totalBytes <= machine.freeBytes;
  return { context, of, fits };
}

/** What would fit, each with the largest context it leaves. */
function remediesOf(header: GgufHeader, wishes: FitWishes, measure: Measure): readonly FitRemedy[] {
  const { contextLength } = measure.context(wishes);
  const others: FitRemedy[] = [{}];
  if (wishes.precision === "reference") others.push({ precision: "default" });
  else if (mayRoundCache(header, wishes)) others.push({ cacheType: "q8_0" });
  const quantization = isQuantizable(header) ? suggestQuantization(header, wishes, measure) : null;
  if (quantization !== null) others.push({ quantization });
  const remedies = others.flatMap((change): readonly FitRemedy[] => {
    const changed = withRemedy(wishes, change);
    const weightsBytes =
      change.quantization === undefined
        ? undefined
        : (quantizedBytes(header, change.quantization) ?? undefined);
    const fits = (length: number) =>
      measure.fits({ ...changed, contextLength: length, cellCount: null }, roundUp(length), weightsBytes);
    if (fits(contextLength)) return [change];
    const least = Math.min(leastContextLength, contextLength);
    if (!fits(least)) return [];
    return [{ ...change, contextLength: largest(least, contextLength, fits) }];
  });
  const whole = remedies.filter(({ contextLength: shorter }) => shorter === undefined);
  const [shorter] = remedies.filter((remedy) => remedy.contextLength !== undefined);
  // A change that asks for a shorter context, too, is named only where nothing less is enough.
  if (shorter === undefined) return whole;
  return Object.keys(shorter).length === 1 || whole.length === 0 ? [shorter, ...whole] : whole;
}

function withRemedy(wishes: FitWishes, { precision, cacheType }: FitRemedy): FitWishes {
  if (precision !== undefined) return { ...wishes, precision, cacheType: undefined };
  return cacheType === undefined ? wishes : { ...wishes, cacheType };
}

/** llama.cpp rounds keys and values in blocks of 32, within a head. */
function mayRoundCache(header: GgufHeader, wishes: FitWishes): boolean {
  const { keyLength, valueLength } = modelShape(header);
  const isRoundable = (headLength: number) => headLength >= 1 && headLength % 32 === 0;
  return (wishes.cacheType ?? "f16") === "f16" && isRoundable(keyLength) && isRoundable(valueLength);
}

/** The finest with which the whole context fits, else the smallest. */
function suggestQuantization(header: GgufHeader, wishes: FitWishes, measure: Measure): Quantization | null {
  const { contextLength } = measure.context(wishes);
  const own = measure.of(wishes, roundUp(contextLength)).weightsBytes;
  const smaller = suggestedQuantizations.filter((name) => (quantizedBytes(header, name) ?? own) < own);
  const fitting = smaller.find((name) =>
    measure.fits(
      { ...wishes, cellCount: null },
      roundUp(contextLength),
      quantizedBytes(header, name) ?? undefined,
    ),
  );
  return fitting ?? smaller.at(-1) ?? null;
}

function adviceText(needs: FitNeeds, freeBytes: number, remedies: readonly FitRemedy[]): string {
  const { weightsBytes, cacheBytes, computeBytes, processBytes, totalBytes } = needs;
  const parts =
    `weights ${byteText(weightsBytes)}, KV cache ${byteText(cacheBytes)}, ` +
    `computing ${byteText(computeBytes)}, the process ${byteText(processBytes)}`;
  const needed = `It needs ${byteText(totalBytes)} of ${byteText(freeBytes)} free (${parts})`;
  if (remedies.length === 0) {
    return `${needed}; no shorter context or smaller type makes it fit: free memory, or take a smaller model.`;
  }
  return `${needed}; it fits ${remedies.map(remedyText).join(", or ")}.`;
}

function remedyText({ contextLength, cacheType, precision, quantization }: FitRemedy): string {
  const changes = [
    ...(quantization === undefined ? [] : [`with --quantize ${quantization}`]),
    ...(cacheType === undefined ? [] : [`with --cache-type ${cacheType}`]),
    ...(precision === undefined ? [] : [`with --precision ${precision}`]),
    ...(contextLength === undefined ? [] : [`with --context-length ${contextLength}`]),
  ];
  return changes.join(" and ");
}

/** The largest multiple of a step in [low, high] that fits; low is known to. */
function largest(low: number, high: number, fits: (count: number) => boolean): number {
  let [good, bad] = [Math.ceil(low / cellStep), Math.floor(high / cellStep) + 1];
  if (good * cellStep > high) return low;
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (fits(middle * cellStep)) good = middle;
    else bad = middle;
  }
  return good * cellStep;
}

const roundUp = (cells: number) => Math.ceil(cells / cellStep) * cellStep;
