// Which sequences of the group carry which beam, and the outcomes that make them follow: cells are shared and let go,
// never moved. Knows no scores.

import type { Outcome } from "../../scheduler/outcome.ts";

export interface BeamSequences {
  /** Ids of the beam's sequences, one for each context; before the first step all beams are the prompt. */
  of(beam: number): readonly number[];
  /**
   * The next beams, each by its parent's place and its new token. A parent without children is released first, so that
   * its slot can take another's child.
   */
  follow(next: readonly { readonly parent: number; readonly token: number }[]): Outcome[];
  /** All end; those of the beam `kept` in such a way that their prefix may serve others. */
  end(kept: number): Outcome[];
}

export function createBeamSequences(contextCount: number): BeamSequences {
  const firstIds = Array.from({ length: contextCount }, (_, index) => index);
  let beams: (readonly number[])[] = [firstIds];
  let isFirstStep = true;
  let nextId = contextCount;
  const of = (beam: number) => (isFirstStep ? firstIds : (beams[beam] ?? []));

  return {
    of,
    follow(next) {
      const releases: Outcome[] = [];
      const forks: Outcome[] = [];
      const appends: Outcome[] = [];
      const taken = new Set<number>();
      const children = next.map(({ parent, token }) => {
        const source = of(parent);
        const [first = -1] = source;
        let ids = source;
        if (taken.has(first)) {
          ids = source.map((_, index) => nextId + index);
          nextId += contextCount;
          for (const [index, target] of ids.entries())
            forks.push({ kind: "fork", source: source[index] ?? -1, target });
        }
        taken.add(first);
        for (const sequence of ids) appends.push({ kind: "append", sequence, tokens: [token] });
        return ids;
      });
      for (const ids of beams) {
        if (taken.has(ids[0] ?? -1)) continue;
        for (const sequence of ids) releases.push({ kind: "release", sequence });
      }
      beams = children;
      isFirstStep = false;
      return [...releases, ...forks, ...appends];
    },
    end(kept) {
      return beams.flatMap((ids, beam) =>
        ids.map((sequence): Outcome => ({ kind: beam === kept ? "retire" : "release", sequence })),
      );
    },
  };
}
