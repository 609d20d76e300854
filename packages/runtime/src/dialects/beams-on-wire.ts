// What beam search tells of the sequences that it returns, under `generate`'s names. Knows no run.
// Source: transformers 5.23.0, generation/utils.py, GenerateBeamDecoderOnlyOutput.

import { padRows, type GeneratedSequence } from "@corral/engine";
import { float32OnWire } from "../float32-on-wire.ts";

/** What a call wants to be told, by its parameters. */
export interface BeamReturns {
  /** At least 2. */
  readonly beamCount: number;
  readonly hasScores: boolean;
}

export interface BeamsOnWire {
  /** One for each returned sequence. */
  readonly sequences_scores?: readonly (number | null)[];
  /**
   * `[sequence][step]`: the beam that each new id continued, by its row among those of all prompts of the list; -1 after
   * the sequence's end.
   */
  readonly beam_indices?: readonly (readonly number[])[];
}

/** Of prompts whose sequences stand in one list; nothing where `returns` is null. */
export function beamsOnWire(
  prompts: readonly (readonly GeneratedSequence[])[],
  returns: BeamReturns | null,
): BeamsOnWire {
  if (returns === null) return {};
  const { beamCount, hasScores } = returns;
  const indices = prompts.flatMap((sequences, prompt) =>
    sequences.map(({ beam }) => (beam?.indices ?? []).map((place) => prompt * beamCount + place)),
  );
  const scores = prompts.flat().map(({ beam }) => float32OnWire(beam?.score ?? NaN));
  return {
    ...(hasScores ? { sequences_scores: scores } : {}),
    beam_indices: padRows(indices, -1),
  };
}
