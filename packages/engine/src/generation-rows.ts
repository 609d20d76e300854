// The returned rows of one generation as they grow: ids, text, finish reasons, counts.

import type { FinishReason } from "@corral/contract";
import type { GeneratedSequence, GenerationEvent, GenerationRequest } from "./generation.ts";
import type { RecordedToken } from "./recorded-token.ts";
import { createDetokenizer, type Detokenizer } from "./text/detokenizer.ts";
import type { FinishedBeam } from "./scheduler/outcome.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface GenerationRows {
  readonly generatedTokenCount: number;
  /** The event that the new ids of a row make. */
  emit(row: number, tokens: readonly number[], recorded?: readonly RecordedToken[]): GenerationEvent[];
  /** The events of a row's end: text that was held back, then the end itself. */
  finish(row: number, reason: FinishReason, beam?: FinishedBeam): GenerationEvent[];
  /** Ends every row that has not ended. */
  finishAll(reason: FinishReason): GenerationEvent[];
  /** Only after all rows ended. */
  sequences(): readonly GeneratedSequence[];
}

interface Row {
  readonly ids: number[];
  readonly recorded: RecordedToken[];
  readonly detokenizer: Detokenizer;
  text: string;
  finishReason: FinishReason | null;
  beam: FinishedBeam | null;
}

export function createGenerationRows(request: GenerationRequest, vocabulary: Vocabulary): GenerationRows {
  const { skipSpecialTokens = true, stripsStopStrings = false } = request;
  const strippedStopStrings = stripsStopStrings ? request.generation.stopStrings : [];
  const options = { skipSpecialTokens, strippedStopStrings };
  const rows = Array.from({ length: request.generation.returnedSequenceCount }, (): Row => ({
    ids: [],
    recorded: [],
    detokenizer: createDetokenizer(vocabulary, request.promptIds, options),
    text: "",
    finishReason: null,
    beam: null,
  }));
  let generatedTokenCount = 0;

  function rowAt(index: number): Row {
    const row = rows[index];
    if (row === undefined) throw new RangeError(`There is no row ${index} among ${rows.length}.`);
    return row;
  }

  function finish(index: number, reason: FinishReason, beam: FinishedBeam | null = null): GenerationEvent[] {
    const row = rowAt(index);
    row.finishReason = reason;
    row.beam = beam;
    const text = row.detokenizer.flush();
    row.text += text;
    const held: GenerationEvent[] = text === "" ? [] : [{ kind: "text", sequence: index, text, ids: [] }];
    return [...held, { kind: "finished", sequence: index, reason }];
  }

  return {
    get generatedTokenCount() {
      return generatedTokenCount;
    },
    emit(index, tokens, recorded = []) {
      const row = rowAt(index);
      const text = row.detokenizer.push(tokens);
      row.ids.push(...tokens);
      row.recorded.push(...recorded);
      row.text += text;
      generatedTokenCount += tokens.length;
      const logprobs = recorded.flatMap(({ logprobs: scores }) => scores ?? []);
      const event = { kind: "text", sequence: index, text, ids: tokens } as const;
      return [logprobs.length === 0 ? event : { ...event, logprobs }];
    },
    finish,
    finishAll: (reason) =>
      rows.flatMap((row, index) => (row.finishReason === null ? finish(index, reason) : [])),
    sequences: () =>
      rows.map(({ ids, text, finishReason, recorded, beam }) => ({
        ids,
        text,
        finishReason: finishReason ?? "error",
        generatedTokenCount: ids.length,
        ...(recorded.length === 0 ? {} : { recorded }),
        ...(beam === null ? {} : { beam }),
      })),
  };
}
