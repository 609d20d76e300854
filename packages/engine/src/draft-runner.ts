// A draft model over a model runner of its own: a step's drafts are computed together, one token of each a pass.
// Knows neither generations nor what the drafts are for.

import { isServingError } from "@corral/contract";
import type { Clock } from "./clock.ts";
import type { ModelRunner, StepOutputs } from "./model-runner.ts";
import { attendedBetween, createStepCost } from "./scheduler/step-cost.ts";
import { createStepPlan, type PlanEntry } from "./scheduler/step-plan.ts";
import type { ChooseDraft, DraftModel, DraftSequence } from "./strategies/draft-model.ts";

/** Most tokens with which one round catches up on what is not computed yet: others wait meanwhile. */
const catchUpTokenCount = 256;

interface Place {
  readonly slot: number;
  readonly cellCount: number;
  /** What its cells hold. */
  readonly computed: number[];
  isClosed: boolean;
  /** From being asked for a draft until it is there: closed meanwhile, it is freed after. */
  isBusy: boolean;
}

interface Draft {
  readonly place: Place;
  /** What is known and what was drafted. */
  readonly tokens: number[];
  readonly knownCount: number;
  readonly mostCount: number;
  readonly choose: ChooseDraft;
  isDone: boolean;
  readonly resolve: (ids: readonly number[]) => void;
}

/** The runner's slots and cells are this draft model's alone; disposing it stays with the caller. */
export function createDraftModel(runner: ModelRunner, clock: Clock): DraftModel {
  const { limits } = runner;
  const slotCount = Math.min(limits.slotCount, limits.maxRowCount, limits.maxBatchTokenCount);
  const freeSlots = Array.from({ length: slotCount }, (_, index) => slotCount - 1 - index);
  let freeCellCount = limits.cellCount;
  const cost = createStepCost();
  /** Drafts of the last round, which shared its passes. */
  let sharerCount = 1;
  let asked: Draft[] = [];
  /** After an error of more than one pass nothing is known of its cells any more, and it drafts nothing. */
  let isBroken = false;
  /** Never rejects. */
  let rounds = Promise.resolve();
  let learned: { readonly beginning: number; readonly length: number } | null = null;

  function clear({ slot, computed }: Place): void {
    computed.length = 0;
    try {
      runner.removeSequence(slot);
    } catch {
      isBroken = true;
    }
  }

  function free(place: Place): void {
    if (place.computed.length > 0) clear(place);
    freeSlots.push(place.slot);
    freeCellCount += place.cellCount;
  }

  /** Drops the cells behind the first id that is another now; the last id is computed in any case, for its row. */
  function rollBack({ place: { slot, computed }, tokens }: Draft): void {
    const most = Math.min(computed.length, tokens.length - 1);
    let kept = 0;
    while (kept < most && computed[kept] === tokens[kept]) kept += 1;
    if (kept === computed.length) return;
    runner.removeSequence(slot, { start: kept, end: computed.length });
    computed.length = kept;
  }

  async function computeRound(drafts: readonly Draft[]): Promise<void> {
    sharerCount = drafts.length;
    drafts.forEach(rollBack);
    await pass(drafts, Math.max(drafts.length, Math.min(catchUpTokenCount, limits.maxBatchTokenCount)));
    for (;;) {
      const going = drafts.filter(({ isDone }) => !isDone);
      if (going.length === 0) return;
      await pass(going, going.length);
    }
  }

  /** Computes what is missing of each, as far as the budget goes, and lets those choose that are complete. */
  async function pass(drafts: readonly Draft[], budget: number): Promise<void> {
    // The shortest first: one that has much to catch up on must not keep the others from their drafts.
    const missing = (draft: Draft) => draft.tokens.length - draft.place.computed.length;
    const ordered = [...drafts].sort((a, b) => missing(a) - missing(b));
    let left = budget;
    const shares = ordered.map((draft, index) => {
      const tokenCount = Math.min(missing(draft), left - (ordered.length - 1 - index));
      left -= tokenCount;
      return { draft, tokenCount, isComplete: tokenCount === missing(draft) };
    });
    const entries = shares.map(({ draft: { place, tokens }, tokenCount, isComplete }): PlanEntry => {
      const start = place.computed.length;
      const chunk = tokens.slice(start, start + tokenCount);
      return { slot: place.slot, start, tokens: chunk, outputs: isComplete ? [tokenCount - 1] : [] };
    });
    const outputs = await decode(entries);
    for (const { slot, tokens } of entries) {
      const share = shares.find(({ draft }) => draft.place.slot === slot);
      share?.draft.place.computed.push(...tokens);
    }
    // Rows come in the order of the slots.
    const complete = shares.filter(({ isComplete }) => isComplete).map(({ draft }) => draft);
    complete.sort((a, b) => a.place.slot - b.place.slot);
    for (const [row, draft] of complete.entries()) take(draft, outputs.logits(row));
    for (const { draft, isComplete } of shares) if (!isComplete) draft.isDone = true;
  }

  async function decode(entries: readonly PlanEntry[]): Promise<StepOutputs> {
    const plan = createStepPlan(entries);
    const attendedCount = plan.entries.reduce(
      (sum, { start, tokens }) => sum + attendedBetween(start, start + tokens.length),
      0,
    );
    const sinceMs = clock.now();
    const outputs = await runner.decode(plan);
    const shape = { tokenCount: plan.tokenCount, attendedCount, rowCount: outputs.rowCount };
    cost.observe(shape, clock.now() - sinceMs);
    return outputs;
  }

  function take(draft: Draft, logits: Float32Array): void {
    const drafted = draft.choose(logits, draft.tokens);
    if (drafted !== null) draft.tokens.push(drafted.id);
    const isFull = draft.tokens.length - draft.knownCount >= draft.mostCount;
    draft.isDone = drafted === null || !drafted.goesOn || isFull;
  }

  /** Never rejects: no generation needs a draft. */
  async function compute(): Promise<void> {
    const drafts = asked;
    asked = [];
    const wanted = drafts.filter(({ place }) => !place.isClosed);
    try {
      if (!isBroken && wanted.length > 0) await computeRound(wanted);
    } catch (error) {
      const isOfOnePass =
        isServingError(error) && (error.code === "decode_failed" || error.code === "out_of_cells");
      if (!isOfOnePass) isBroken = true;
      for (const { place, tokens, knownCount } of wanted) {
        // What its cells hold is not known any more.
        clear(place);
        tokens.length = knownCount;
      }
    }
    for (const { place, tokens, knownCount, resolve } of drafts) {
      place.isBusy = false;
      if (place.isClosed) free(place);
      resolve(tokens.slice(knownCount));
    }
  }

  function open(cellCount: number): DraftSequence | null {
    if (isBroken || cellCount > freeCellCount) return null;
    const slot = freeSlots.pop();
    if (slot === undefined) return null;
    freeCellCount -= cellCount;
    const place: Place = { slot, cellCount, computed: [], isClosed: false, isBusy: false };
    return {
      get computedCount() {
        return place.computed.length;
      },
      draft: (known, mostCount, choose) =>
        new Promise((resolve) => {
          place.isBusy = true;
          const tokens = [...known];
          const draft = { place, tokens, knownCount: known.length, mostCount, choose, isDone: false };
          asked.push({ ...draft, resolve });
          // Everybody whose rows came with the same step has asked by the time it begins.
          if (asked.length === 1) rounds = rounds.then(compute);
        }),
      close() {
        if (place.isClosed) return;
        place.isClosed = true;
        if (!place.isBusy) free(place);
      },
    };
  }

  return {
    contextLength: limits.contextLength,
    open,
    predictMs(draftedCount, knownCount, computedCount) {
      const first = cost.predictMs({
        tokenCount: knownCount - computedCount,
        attendedCount: attendedBetween(computedCount, knownCount),
        rowCount: 1,
      });
      const attendedCount = knownCount + draftedCount / 2;
      const next = cost.predictMs({ tokenCount: 1, attendedCount, rowCount: 1 });
      if (first === null || next === null) return null;
      return (first + Math.max(0, draftedCount - 1) * next) / sharerCount;
    },
    learnedLength: (beginning) => (learned?.beginning === beginning ? learned.length : beginning),
    learnLength: (beginning, length) => void (learned = { beginning, length }),
  };
}
