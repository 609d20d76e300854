// How much memory a deployment will take under a cap, from the headers of its weights alone. Reads no weights.

import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { arch } from "node:os";
import {
  checkGguf,
  fitOf,
  processorOf,
  type CheckedGguf,
  type FitWishes,
  type Processor,
} from "@corral/weights";
import type { ReplicaPlan } from "../build/replica-config.ts";
import { contextWishesOf } from "../build/context-wishes.ts";

export interface MemoryNeeds {
  /** With as many cells of the KV cache as the cap leaves room for. */
  readonly bytes: number;
  /** What its process may be seen to hold with that: the whole file stays mapped. */
  readonly residentBytes: number;
  /** Cells where the cap leaves room for fewer than it would take; null: those it takes. */
  readonly cellCount: number | null;
  /** Why it can never be loaded, with what would help; null: it can. */
  readonly problem: string | null;
}

/** Of a replica whose weights cannot be read. */
export const unreadProcessBytes = 128 * 1024 * 1024;
/** Tokens of the cache that a replica's draft models share with eight calls. */
const draftCellCount = 8 * 1024;

type Planned = Pick<ReplicaPlan, "weights" | "draftModels" | "adapters" | "manifest" | "settings">;

/** A file that cannot be read counts with its size: the replica says what is wrong with it. */
export async function memoryNeeds(plan: Planned, capBytes: number): Promise<MemoryNeeds> {
  const processor = ownProcessor();
  const wishes = contextWishesOf(plan.manifest, plan.settings);
  // The code's process; what it takes beyond that is seen once it has run.
  const codeBytes =
    plan.manifest.code === undefined && plan.manifest.truss?.dockerServer === undefined
      ? 0
      : unreadProcessBytes;
  const extraBytes = codeBytes + (await besideBytes(plan, wishes, processor));
  const { weights } = plan;
  const header = weights === null ? null : await readHeader(weights.path);
  if (header === null) {
    const weightsBytes = weights === null ? 0 : await fileBytes(weights.path);
    const bytes = unreadProcessBytes + extraBytes + weightsBytes;
    const problem = bytes > capBytes ? `It needs ${bytes} bytes of ${capBytes}.` : null;
    return { bytes, residentBytes: bytes, cellCount: null, problem };
  }
  const fit = fitOf(header, { ...wishes, extraBytes }, { freeBytes: capBytes, processor });
  const wanted = fitOf(header, { ...wishes, extraBytes }, { freeBytes: Infinity, processor });
  const { totalBytes, residentBytes } = fit.needs;
  return {
    bytes: totalBytes,
    residentBytes,
    cellCount: fit.context.cellCount < wanted.context.cellCount ? fit.context.cellCount : null,
    problem: fit.kind === "too_large" ? fit.advice : null,
  };
}

/** What draft models and adapters take beside the model, in the same process. */
export async function besideBytes(
  { draftModels, adapters }: Pick<Planned, "draftModels" | "adapters">,
  wishes: FitWishes,
  processor: Processor,
): Promise<number> {
  let bytes = 0;
  for (const { path } of draftModels) bytes += await draftBytes(path, wishes, processor);
  // Adapters that come later, by a route, are bounded by the replica's own look at what memory is free.
  for (const { path } of adapters) bytes += await fileBytes(path);
  return bytes;
}

async function draftBytes(path: string, wishes: FitWishes, processor: Processor): Promise<number> {
  const header = await readHeader(path);
  if (header === null) return await fileBytes(path);
  const asked = { ...wishes, cellCount: draftCellCount };
  const { totalBytes, processBytes } = fitOf(header, asked, { freeBytes: Infinity, processor }).needs;
  return totalBytes - processBytes;
}

async function readHeader(path: string): Promise<CheckedGguf | null> {
  return await checkGguf(path).catch(() => null);
}

async function fileBytes(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

function ownProcessor(): Processor {
  let cpuInfo: string | null = null;
  try {
    cpuInfo = readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    // Not on Linux: the commonest processor is assumed.
  }
  return processorOf(arch(), cpuInfo);
}
