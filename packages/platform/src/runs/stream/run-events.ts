// A run as events for whoever follows it: what they have seen and what there is → the next events. Pure.

import type { Run, RunText } from "@corral/contract";
import type { TextPlace } from "../../store/run-streams.ts";

export type RunEventOut =
  | { readonly name: "token"; readonly id: string; readonly data: Readonly<Record<string, unknown>> }
  | { readonly name: "attempt"; readonly id: string; readonly data: { readonly attempt: number } }
  | { readonly name: "done"; readonly id: typeof doneId; readonly data: RunDone };

/** How the run ended: the last event. */
export type RunDone = Pick<
  Run,
  "run_id" | "status" | "error" | "usage" | "usage_complete" | "timings_ms" | "finished_at"
> & {
  readonly finish_reasons: readonly string[];
  readonly attempt: number;
  /** Whether the events had all of its text: false where it was lost with its replica, or was too long to be kept. */
  readonly text_complete: boolean;
};

/** The id of the last event: who has seen it has seen all. */
export const doneId = "done";

export type LastEventId =
  | { readonly kind: "beginning" }
  | { readonly kind: "place"; readonly place: TextPlace }
  | { readonly kind: "done" };

/** Null for a text that no event of ours had. */
export function readLastEventId(text: string | undefined): LastEventId | null {
  if (text === undefined || text === "") return { kind: "beginning" };
  if (text === doneId) return { kind: "done" };
  const [, attempt, at] = /^(\d{1,9})-(\d{1,9})$/.exec(text) ?? [];
  if (attempt === undefined || at === undefined) return null;
  return { kind: "place", place: { attempt: Number(attempt), at: Number(at) } };
}

export function eventId({ attempt, at }: TextPlace): string {
  return `${attempt}-${at}`;
}

/** Said where a run is tried again: its text begins anew. */
export function attemptEvent(attempt: number): RunEventOut {
  return { name: "attempt", id: eventId({ attempt, at: 0 }), data: { attempt } };
}

/** The events of the text after `place`, and where that leads. Text that is not the next one is left for later. */
export function textEvents(
  texts: readonly RunText[],
  place: TextPlace,
): { readonly events: readonly RunEventOut[]; readonly place: TextPlace } {
  const events: RunEventOut[] = [];
  let { at } = place;
  for (const text of texts) {
    let begin = text.at;
    for (const [prompt, sequence, whole] of text.pieces) {
      const end = begin + whole.length;
      // A gap is never told as if it were none.
      if (begin <= at && end > at) {
        const piece = whole.slice(startOfCharacter(whole, at - begin));
        at = end;
        events.push({
          name: "token",
          id: eventId({ attempt: place.attempt, at }),
          data: { ...(prompt === 0 ? {} : { prompt }), sequence, text: piece },
        });
      }
      begin = end;
    }
  }
  return { events, place: { attempt: place.attempt, at } };
}

/** Half of a character is no text: who asks from within one gets it whole. */
function startOfCharacter(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return at > 0 && code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}
