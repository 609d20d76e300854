// What was chosen for a returned row in a step, as outcomes. Knows no scores.

import type { FinishReason } from "@corral/contract";
import type { RecordedToken } from "../recorded-token.ts";
import type { Outcome } from "../scheduler/outcome.ts";

/** A sequence that a row goes on from. */
export interface RowSource {
  readonly id: number;
  /** The row's own one, which may be this very sequence or a fork of it. */
  readonly target: number;
  /** Ids it knows, and those of them that stay: what is left is a draft that proved wrong. */
  readonly knownLength: number;
  readonly keptLength: number;
}

export interface RowChoice {
  readonly row: number;
  readonly sources: readonly RowSource[];
  /** The next ids of the row, for good: at least one, of which all but the last were drafted before. */
  readonly tokens: readonly number[];
  /** By token; empty where nothing is recorded. */
  readonly recorded: readonly RecordedToken[];
  /** What may come next, to be verified. */
  readonly draft: readonly number[];
  readonly reason: FinishReason | null;
}

/** A row that ends with its very first token needs no sequence of its own. */
export function rowForks({ sources, reason }: RowChoice): Outcome[] {
  if (reason !== null) return [];
  return sources
    .filter(({ id, target }) => id !== target)
    .map(({ id, target }) => ({ kind: "fork", source: id, target }));
}

/** To be applied after all forks of the step. */
export function rowAdvances({ row, sources, tokens, recorded, draft, reason }: RowChoice): Outcome[] {
  const added = [...tokens.slice(-1), ...draft];
  const changes = sources.flatMap(({ id, target, knownLength, keptLength }): Outcome[] => {
    if (reason !== null && id !== target) return [];
    const isCut = keptLength < knownLength;
    return [
      ...(isCut ? [{ kind: "rollback", sequence: target, to: keptLength } as const] : []),
      reason === null
        ? { kind: "append", sequence: target, tokens: added }
        : { kind: "retire", sequence: target },
    ];
  });
  const emit: Outcome = { kind: "emit", row, tokens, ...(recorded.length === 0 ? {} : { recorded }) };
  return reason === null ? [...changes, emit] : [...changes, emit, { kind: "finish", row, reason }];
}
