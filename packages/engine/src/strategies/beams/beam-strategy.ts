// Beam search and beam sampling as a decoding strategy: all beams of a group are chosen jointly from the rows of one
// step. What of a lone returned sequence can no longer change is given out as it settles.

import type { FinishReason } from "@corral/contract";
import type { SelectionKernels } from "../../logits/selection-kernels.ts";
import { topScores, topScoresOf, type ScoredToken } from "../../logits/top-scores.ts";
import type { StepOutputs } from "../../model-runner.ts";
import type { RecordedToken } from "../../recorded-token.ts";
import type { GroupOutcome, Outcome } from "../../scheduler/outcome.ts";
import type { ReadyGroup, ReadySequence } from "../../scheduler/scheduled-step.ts";
import type { StoppingCriterion } from "../../stopping/criterion.ts";
import { finishReasonOf } from "../../stopping/finish-reason.ts";
import { noTokenPossible } from "../no-token-possible.ts";
import type { ScoreRecorder } from "../score-recorder.ts";
import type { ShortlistLane } from "../shortlist-lane.ts";
import type { DecodingStrategy } from "../strategy.ts";
import type { BeamCandidate, BeamSearch, Hypothesis } from "./beam.ts";
import { ruledOut } from "./beam-search.ts";
import { createBeamSequences } from "./beam-sequences.ts";
import { bestOfBeams, type CandidatePool, type RankedToken } from "./candidates.ts";
import { commonIds } from "./settled-ids.ts";

export interface BeamStrategyOptions {
  readonly search: BeamSearch;
  readonly beamCount: number;
  /** Candidates that a step ranks. */
  readonly rankedCount: number;
  readonly returnedSequenceCount: number;
  readonly lane: ShortlistLane;
  readonly kernels: SelectionKernels;
  readonly criteria: readonly StoppingCriterion[];
  /** Prompt included. */
  readonly maxLength: number;
  readonly maxTimeMs: number | null;
  /** Null: the best continuations; else some are drawn. */
  readonly sampling: {
    readonly pool: CandidatePool;
    readonly uniformAt: (draw: number, position: number) => number;
  } | null;
  /** Null: nothing is recorded. */
  readonly recorder: ScoreRecorder | null;
  /** Where processors look for the logits of the unconditional context; null: there is one context. */
  readonly unconditionalScores: Float32Array | null;
}

/** A running beam with its sequences and rows. */
interface ReadyBeam {
  readonly main: ReadySequence;
  readonly free: ReadySequence | undefined;
  readonly score: number;
}

export function createBeamStrategy(options: BeamStrategyOptions): DecodingStrategy {
  const { search, returnedSequenceCount, unconditionalScores, maxLength, maxTimeMs } = options;
  const sequences = createBeamSequences(unconditionalScores === null ? 1 : 2);
  /** Of a lone returned sequence. */
  let emittedCount = 0;

  function readyBeams({ sequences: ready }: ReadyGroup): ReadyBeam[] {
    const byId = new Map(ready.map((sequence) => [sequence.id, sequence]));
    return search.running.flatMap(({ score }, beam) => {
      const [mainId = -1, freeId = -1] = sequences.of(beam);
      const main = byId.get(mainId);
      return main === undefined ? [] : [{ main, free: byId.get(freeId), score }];
    });
  }

  /** What is new of the settled ids. */
  function settle(hypotheses: readonly Hypothesis[]): Outcome[] {
    if (returnedSequenceCount > 1) return [];
    const best = hypotheses.slice(0, 1).filter(({ ids }) => ids.length > 0);
    const [first] = search.running;
    if (first === undefined) return [];
    const settledCount = commonIds([...search.running, ...best]).length;
    if (settledCount <= emittedCount) return [];
    const [start, end] = [emittedCount, settledCount];
    emittedCount = settledCount;
    return [emit(0, first.ids.slice(start, end), first.recorded.slice(start, end))];
  }

  function finish(hypotheses: readonly Hypothesis[], beams: readonly ReadyBeam[]): Outcome[] {
    const rows = hypotheses.slice(0, returnedSequenceCount).flatMap((hypothesis, row): Outcome[] => {
      const { ids, recorded, reason, score, beamIndices } = hypothesis;
      const start = returnedSequenceCount > 1 ? 0 : emittedCount;
      const rest = ids.slice(start);
      return [
        ...(rest.length === 0 ? [] : [emit(row, rest, recorded.slice(start))]),
        { kind: "finish", row, reason, beam: { score, indices: beamIndices } },
      ];
    });
    return [...sequences.end(closest(beams, hypotheses[0]?.ids ?? [])), ...rows];
  }

  /** The beam whose computed ids say most of the answer: the next turn of a conversation begins with that. */
  function closest(beams: readonly ReadyBeam[], ids: readonly number[]): number {
    const lengths = beams.map(({ main }) => {
      const own = main.tokens.slice(main.tokens.length - search.newTokenCount + 1);
      return commonIds([{ ids: own }, { ids }]).length;
    });
    return lengths.indexOf(Math.max(...lengths));
  }

  return {
    choose(group, outputs, { nowMs }): GroupOutcome {
      const beams = readyBeams(group);
      const [first] = beams;
      if (first === undefined) throw new Error("A beam search had no rows to go on from.");
      const elapsedMs = nowMs - group.admittedAtMs;
      const position = first.main.tokens.length;
      const ranked = rankCandidates(options, beams, outputs, position);
      if (ranked === null || ranked.length === 0) {
        const rows = beams.flatMap(({ main, free }) => [main, ...(free === undefined ? [] : [free])]);
        return noTokenPossible(
          0,
          position,
          rows.map(({ firstRow }) => outputs.logits(firstRow)),
        );
      }
      const candidates = ranked.map((candidate): BeamCandidate => {
        const { main } = beams[candidate.beam] ?? first;
        return { ...candidate, reason: reasonOf(options, main, candidate.token, elapsedMs) };
      });
      const endsAll = position + 1 >= maxLength || (maxTimeMs !== null && elapsedMs > maxTimeMs);
      const { next, isDone } = search.advance(candidates, { endsAll });
      const hypotheses = search.finished();
      const outcomes = isDone
        ? finish(hypotheses, beams)
        : [...sequences.follow(next), ...settle(hypotheses)];
      return { kind: "advance", outcomes };
    },
  };
}

/**
 * The candidates of a step by rank; null where a score is not a number. At the first step every other beam is the prompt,
 * too, with a score that rules it out: what it offers comes in where the first beam offers too little.
 */
function rankCandidates(
  options: BeamStrategyOptions,
  beams: readonly ReadyBeam[],
  outputs: StepOutputs,
  position: number,
): (RankedToken & Pick<BeamCandidate, "recorded">)[] | null {
  const { search, beamCount, rankedCount, lane, kernels, sampling, recorder, unconditionalScores } = options;
  const isFirstStep = search.newTokenCount === 0;
  const lists: ScoredToken[][] = [];
  const processed: Float32Array[] = [];
  sampling?.pool.clear();
  for (const [beam, { main, free, score }] of beams.entries()) {
    kernels.scores.set(outputs.logits(main.firstRow));
    if (free !== undefined) unconditionalScores?.set(outputs.logits(free.firstRow));
    kernels.logSoftmax();
    const shortlist = lane.process(main.tokens);
    if (recorder !== null) processed.push(kernels.scores.slice());
    const ids = shortlist?.ids ?? null;
    const scores = shortlist?.scores ?? kernels.scores;
    if (sampling !== null) {
      const { pool } = sampling;
      pool.add(beam, ids, scores, score);
      if (!isFirstStep || pool.countAbove(ruledOut) >= rankedCount) continue;
      for (let other = 1; other < beamCount; other++) pool.add(other, ids, scores, ruledOut);
      continue;
    }
    const best = topScoresOf(kernels, rankedCount, score);
    if (best === null) return null;
    lists.push(best);
    if (!isFirstStep || best.filter((token) => token.score > ruledOut).length >= rankedCount) continue;
    const ruled = topScores(kernels.scores, rankedCount, ruledOut) ?? [];
    for (let other = 1; other < beamCount; other++) lists.push(ruled);
  }
  const ranked =
    sampling === null
      ? bestOfBeams(lists, rankedCount)
      : sampling.pool.draw(rankedCount, (draw) => sampling.uniformAt(draw, position));
  return ranked === null || recorder === null ? ranked : record(options, ranked, processed, beams, outputs);
}

/** Each candidate with what is kept of the row it was chosen from. */
function record(
  { kernels, recorder }: BeamStrategyOptions,
  ranked: readonly RankedToken[],
  processed: readonly Float32Array[],
  beams: readonly ReadyBeam[],
  outputs: StepOutputs,
): (RankedToken & Pick<BeamCandidate, "recorded">)[] {
  const recorded = new Map<RankedToken, RecordedToken>();
  for (const [place, { main }] of beams.entries()) {
    const own = ranked.filter(({ beam }) => (beams.length === 1 ? 0 : beam) === place);
    const row = processed[place];
    if (own.length === 0 || row === undefined) continue;
    kernels.scores.set(row);
    const tokens = own.map(({ token }) => token);
    for (const [index, each] of (recorder?.record(tokens, outputs.logits(main.firstRow)) ?? []).entries())
      recorded.set(own[index]!, each);
  }
  return ranked.map((candidate) => {
    const kept = recorded.get(candidate);
    return kept === undefined ? candidate : { ...candidate, recorded: kept };
  });
}

function reasonOf(
  { criteria }: BeamStrategyOptions,
  { tokens }: ReadySequence,
  token: number,
  elapsedMs: number,
): FinishReason | null {
  return finishReasonOf(criteria, tokens, token, elapsedMs);
}

function emit(row: number, tokens: readonly number[], recorded: readonly RecordedToken[]): Outcome {
  return { kind: "emit", row, tokens, ...(recorded.length === 0 ? {} : { recorded }) };
}
