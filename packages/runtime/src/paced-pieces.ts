// Pieces of text between a run, which never waits, and a stream, whose reader may be slow: what was not taken yet of one
// sequence becomes one piece. Knows no dialect.

import type { TextEvent } from "./dialects/dialect.ts";

export interface PacedPiece extends TextEvent {
  /** Where it ends in the run's text; null: that is not kept. */
  readonly endAt: number | null;
}

export interface PacedPieces {
  push(piece: PacedPiece): void;
  /** Resolves when all that was pushed is taken; rejects where a `take` did, and takes nothing more then. */
  taken(): Promise<void>;
}

export function createPacedPieces(take: (piece: PacedPiece) => Promise<void>): PacedPieces {
  const waiting: PacedPiece[] = [];
  let taking: Promise<void> | null = null;

  async function takeAll(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await take(next);
    taking = null;
  }
  return {
    push(piece) {
      const last = waiting.at(-1);
      // Only with its neighbour: where a piece ends says what was sent before it.
      if (last !== undefined && last.prompt === piece.prompt && last.sequence === piece.sequence)
        waiting[waiting.length - 1] = joined(last, piece);
      else waiting.push(piece);
      if (taking !== null) return;
      taking = takeAll();
      // Looked at by `taken`; until then its failure must not end the process as one that nobody handles.
      taking.catch(() => undefined);
    },
    taken: () => taking ?? Promise.resolve(),
  };
}

function joined(first: PacedPiece, next: PacedPiece): PacedPiece {
  const logprobs = [...(first.logprobs ?? []), ...(next.logprobs ?? [])];
  return {
    ...next,
    text: first.text + next.text,
    ids: [...first.ids, ...next.ids],
    ...(logprobs.length === 0 ? {} : { logprobs }),
  };
}
