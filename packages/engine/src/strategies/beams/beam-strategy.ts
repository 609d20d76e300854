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
import type { ImmediateStrategy } from "../strategy.ts";
import type { BeamCandidate, BeamSearch, BeamStep, Hypothesis, RunningBeam } from "./beam.ts";
import { ruledOut } from "./beam-search.ts";
import { createBeamSequences } from "./beam-sequences.ts";
import { bestOfBeams, type CandidatePool, type RankedToken } from "./candidates.ts";
import { commonIds } from "./settled-ids.ts";

export interface BeamStrategyOptions {
  /** One for each group of beams, in the order in which they choose; at least one. */
  readonly searches: readonly BeamSearch[];
  /** Of each search. */
  readonly beamCount: number;
  /** Candidates that a step ranks for each search. */
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
  /** Where processors look for what earlier groups have chosen in this step; null: nobody looks. */
  readonly earlierTokens: number[] | null;
  /** What a group that is done counts for there with each of its beams. */
  readonly padTokenId: number | null;
}

/** A running beam with its sequences and rows. */
interface ReadyBeam {
  readonly main: ReadySequence;
  readonly free: ReadySequence | undefined;
  readonly score: number;
}

export function createBeamStrategy(options: BeamStrategyOptions): ImmediateStrategy {
  const { beamCount, earlierTokens, padTokenId } = options;
  const { searches, returnedSequenceCount, unconditionalScores, maxLength, maxTimeMs } = options;
  const sequences = createBeamSequences(unconditionalScores === null ? 1 : 2);
  const padsOfGroup = padTokenId === null ? [] : Array.from({ length: beamCount }, () => padTokenId);
  /** Of a lone returned sequence. */
  let emittedCount = 0;

  function readyBeams({ sequences: ready }: ReadyGroup): ReadyBeam[] {
    const byId = new Map(ready.map((sequence) => [sequence.id, sequence]));
    return runningBeams().flatMap(({ score }, beam) => {
      const [mainId = -1, freeId = -1] = sequences.of(beam);
      const main = byId.get(mainId);
      return main === undefined ? [] : [{ main, free: byId.get(freeId), score }];
    });
  }

  function runningBeams(): readonly RunningBeam[] {
    return searches.flatMap(({ running }) => running);
  }

  /** Best first, of equal ones those of the later group. */
  function finished(): readonly Hypothesis[] {
    const [only] = searches;
    if (searches.length === 1 && only !== undefined) return only.finished();
    const found = searches.toReversed().flatMap((search) => search.finished());
    return found.sort((a, b) => b.score - a.score);
  }

  /** What is new of the settled ids. */
  function settle(hypotheses: readonly Hypothesis[]): Outcome[] {
    if (returnedSequenceCount > 1) return [];
    const best = hypotheses.slice(0, 1).filter(({ ids }) => ids.length > 0);
    const running = runningBeams();
    const [first] = running;
    if (first === undefined) return [];
    const settledCount = commonIds([...running, ...best]).length;
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
        { kind: "finish", row, reason, beam: { score: Math.fround(score), indices: beamIndices } },
      ];
    });
    return [...sequences.end(closest(beams, hypotheses[0]?.ids ?? [])), ...rows];
  }

  /** The beam whose computed ids say most of the answer: the next turn of a conversation begins with that. */
  function closest(beams: readonly ReadyBeam[], ids: readonly number[]): number {
    const newTokenCount = Math.max(...searches.map((search) => search.newTokenCount));
    const lengths = beams.map(({ main }) => {
      const own = main.tokens.slice(main.tokens.length - newTokenCount + 1);
      return commonIds([{ ids: own }, { ids }]).length;
    });
    return lengths.indexOf(Math.max(...lengths));
  }

  return {
    choose(group, outputs, { nowMs }): GroupOutcome {
      const beams = readyBeams(group);
      const [front] = beams;
      if (front === undefined) throw new Error("A beam search had no rows to go on from.");
      const elapsedMs = nowMs - group.admittedAtMs;
      const position = front.main.tokens.length;
      const endsAll = position + 1 >= maxLength || (maxTimeMs !== null && elapsedMs > maxTimeMs);
      const next: BeamStep["next"][number][] = [];
      let start = 0;
      if (earlierTokens !== null) earlierTokens.length = 0;
      for (const search of searches) {
        const [from, own] = [start, beams.slice(start, start + search.running.length)];
        start += own.length;
        if (own.length === 0) {
          earlierTokens?.push(...padsOfGroup);
          continue;
        }
        const step = advance(options, search, own, { outputs, position, elapsedMs, endsAll });
        if (step === null) {
          const rows = own.flatMap(({ main, free }) => [main, ...(free === undefined ? [] : [free])]);
          return noTokenPossible(
            0,
            position,
            rows.map(({ firstRow }) => outputs.logits(firstRow)),
          );
        }
        earlierTokens?.push(...step.next.map(({ token }) => token));
        if (step.isDone) continue;
        next.push(...step.next.map(({ parent, token }) => ({ parent: from + parent, token })));
      }
      const hypotheses = finished();
      const isDone = runningBeams().length === 0;
      const outcomes = isDone
        ? finish(hypotheses, beams)
        : [...sequences.follow(next), ...settle(hypotheses)];
      return { kind: "advance", outcomes };
    },
  };
}

interface SearchStep {
  readonly outputs: StepOutputs;
  /** Of the token that comes next, from 0. */
  readonly position: number;
  readonly elapsedMs: number;
  readonly endsAll: boolean;
}

/**
 * Lets one search go on from its beams, of which there is one at least. Where no token is possible it ends with what has
 * finished; null where nothing has, or a score is not a number.
 */
function advance(
  options: BeamStrategyOptions,
  search: BeamSearch,
  beams: readonly ReadyBeam[],
  { outputs, position, elapsedMs, endsAll }: SearchStep,
): BeamStep | null {
  const ranking = rankCandidates(options, search, beams, outputs, position);
  if (ranking === null || (ranking.ranked.length === 0 && search.finishedCount === 0)) return null;
  const judged = (candidate: RankedCandidate): BeamCandidate => {
    // At the first step all beams are the prompt, of which there is one.
    const { main } = beams[candidate.beam] ?? beams[0]!;
    return { ...candidate, reason: reasonOf(options, main, candidate.token, elapsedMs) };
  };
  const { ranked, wanted } = ranking;
  return search.advance(ranked.map(judged), { endsAll, wanted: wanted.map(judged) });
}

type RankedCandidate = RankedToken & Pick<BeamCandidate, "recorded">;

interface Ranking {
  readonly ranked: readonly RankedCandidate[];
  /** What the search wants to know besides. */
  readonly wanted: readonly RankedCandidate[];
}

/**
 * The candidates of a step by rank; null where a score is not a number. At the first step every other beam is the prompt,
 * too, with a score that rules it out: what it offers comes in where the first beam offers too little.
 */
function rankCandidates(
  options: BeamStrategyOptions,
  search: BeamSearch,
  beams: readonly ReadyBeam[],
  outputs: StepOutputs,
  position: number,
): Ranking | null {
  const { beamCount, rankedCount, lane, kernels, sampling, recorder, unconditionalScores } = options;
  const isFirstStep = search.newTokenCount === 0;
  const lists: ScoredToken[][] = [];
  const processed: Float32Array[] = [];
  const wanted: RankedToken[] = [];
  sampling?.pool.clear();
  for (const [beam, { main, free, score }] of beams.entries()) {
    kernels.scores.set(outputs.logits(main.firstRow));
    if (free !== undefined) unconditionalScores?.set(outputs.logits(free.firstRow));
    kernels.logSoftmax();
    const shortlist = lane.process(main.tokens);
    if (recorder !== null) processed.push(kernels.scores.slice());
    for (const token of search.wantedOf?.(beam) ?? [])
      wanted.push({ beam, token, score: Math.fround(kernels.scores[token]! + score) });
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
  if (ranked === null) return null;
  const possible = wanted.filter((each) => each.score > -Infinity);
  if (recorder === null) return { ranked, wanted: possible };
  const recorded = record(options, [...ranked, ...possible], processed, beams, outputs);
  return { ranked: recorded.slice(0, ranked.length), wanted: recorded.slice(ranked.length) };
}

/** Each candidate with what is kept of the row it was chosen from. */
function record(
  { kernels, recorder }: BeamStrategyOptions,
  ranked: readonly RankedToken[],
  processed: readonly Float32Array[],
  beams: readonly ReadyBeam[],
  outputs: StepOutputs,
): RankedCandidate[] {
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
