// A plan as native calls. llama.cpp gives hidden states only of a batch whose rows it computes all, logits included, so
// the tokens with embeddings are computed apart from the others; and so are those whose attention would cost more
// beside the others. Knows no native memory.

import { createStepPlan, type OutputKind, type PlanEntry, type StepPlan } from "@corral/engine";
import { attentionPasses, entryPart, type AttentionModel } from "./attention-passes.ts";
import type { CellLayout } from "./cell-map.ts";

export interface DecodePass {
  readonly plan: StepPlan;
  /** `embedding`: every token of the pass has a row, wanted or not. */
  readonly kind: OutputKind;
}

export interface PassLimits {
  readonly maxRowCount: number;
  /** Null: nothing is gained by computing entries with logits apart. */
  readonly apart: ApartLimits | null;
}

export interface ApartLimits {
  readonly attention: AttentionModel;
  /** Where the cells of the slots lie. */
  readonly layout: CellLayout;
  /** Most rows of logits that may be copied, as the next pass overwrites them. */
  readonly mostCopiedRowCount: number;
}

/**
 * First what comes before the embeddings, then the tokens with embeddings in passes of at most `maxRowCount`, last the
 * entries with logits, which the next pass would overwrite. A plan without embeddings is one pass, or several, of which all
 * but the last one's logits have to be copied.
 */
export function decodePasses(plan: StepPlan, limits: PassLimits): readonly DecodePass[] {
  const { maxRowCount } = limits;
  const embedded = plan.entries.filter(wantsEmbeddings);
  if (embedded.length === 0) return logitsPasses(plan, limits);
  const heads = embedded
    .filter(({ outputs }) => outputs[0]! > 0)
    .map((entry) => entryPart(entry, 0, entry.outputs[0]!));
  const others = plan.entries.filter((entry) => !wantsEmbeddings(entry));
  const passes: DecodePass[] = cutTails(embedded, maxRowCount).map((entries) => ({
    plan: createStepPlan(entries),
    kind: "embedding",
  }));
  if (heads.length > 0) passes.unshift({ plan: createStepPlan(heads), kind: "logits" });
  if (others.length > 0) passes.push({ plan: createStepPlan(others), kind: "logits" });
  return passes;
}

function logitsPasses(plan: StepPlan, { apart }: PassLimits): readonly DecodePass[] {
  if (apart === null) return [{ plan, kind: "logits" }];
  const lists = attentionPasses(plan.entries, apart.layout, apart.attention, apart.mostCopiedRowCount);
  if (lists.length === 1) return [{ plan, kind: "logits" }];
  return lists.map((entries) => ({ plan: createStepPlan(entries, plan.adapter), kind: "logits" }));
}

/** Which row of its kind each row of a plan is; the kinds are computed apart, and so may be entries with logits. */
export function rowPlaces(
  { entries }: StepPlan,
  passes: readonly DecodePass[],
): readonly { readonly kind: OutputKind; readonly index: number }[] {
  const firstRows = new Map<number, number>();
  let logitsCount = 0;
  for (const { plan, kind } of passes) {
    for (const { slot, outputs } of kind === "logits" ? plan.entries : []) {
      if (outputs.length > 0) firstRows.set(slot, logitsCount);
      logitsCount += outputs.length;
    }
  }
  let embeddingCount = 0;
  return entries.flatMap(({ slot, outputs, outputKind: kind = "logits" }) =>
    outputs.map((_, row) => ({
      kind,
      index: kind === "embedding" ? embeddingCount++ : (firstRows.get(slot) ?? 0) + row,
    })),
  );
}

/** A chunk without rows may go with those that want logits. */
function wantsEmbeddings({ outputs, outputKind }: PlanEntry): boolean {
  return outputKind === "embedding" && outputs.length > 0;
}

/** The entries from their first wanted row on, in order, in lists of at most `mostCount` tokens. */
function cutTails(entries: readonly PlanEntry[], mostCount: number): PlanEntry[][] {
  const lists: PlanEntry[][] = [[]];
  let left = mostCount;
  for (const entry of entries) {
    for (let from = entry.outputs[0]!; from < entry.tokens.length;) {
      if (left === 0) {
        lists.push([]);
        left = mostCount;
      }
      const to = Math.min(entry.tokens.length, from + left);
      lists.at(-1)!.push(entryPart(entry, from, to));
      left -= to - from;
      from = to;
    }
  }
  return lists;
}
