import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunText } from "@corral/contract";
import fc from "fast-check";
import { readLastEventId, textEvents, type RunEventOut } from "./run-events.ts";

const piece = fc.tuple(
  fc.nat({ max: 1 }),
  fc.nat({ max: 2 }),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
);
const reports = fc.array(fc.array(piece, { minLength: 1, maxLength: 4 }), { maxLength: 6 });

test("whoever goes on after any event has the whole text, each piece once and of its own sequence", () => {
  fc.assert(
    fc.property(reports, fc.nat(), (pieces, cut) => {
      const texts = placed(pieces);
      const all = textEvents(texts, { attempt: 1, at: 0 }).events;
      const kept = all.slice(0, cut % (all.length + 1));
      const seen = readLastEventId(kept.at(-1)?.id);
      const from = seen?.kind === "place" ? seen.place : { attempt: 1, at: 0 };
      const rest = textEvents(texts, from).events;
      assert.deepEqual([...kept, ...rest], all);
      assert.deepEqual(bySequence([...kept, ...rest]), bySequence(textsAsEvents(pieces)));
    }),
  );
});

test("reports that are read twice, or late, add nothing, and a gap is not skipped", () => {
  fc.assert(
    fc.property(reports, fc.nat(), (pieces, chosen) => {
      const texts = placed(pieces);
      const end = textEvents(texts, { attempt: 0, at: 0 }).place;
      assert.deepEqual(textEvents(texts, end), { events: [], place: end });
      const missing = chosen % Math.max(1, texts.length);
      const { place } = textEvents(
        texts.filter((_text, index) => index !== missing),
        { attempt: 0, at: 0 },
      );
      assert.equal(place.at, texts[missing]?.at ?? 0);
    }),
  );
});

test("who asks from within a character gets it whole", () => {
  const texts: RunText[] = [{ at: 0, pieces: [[0, 0, "a🐎b"]] }];
  const { events } = textEvents(texts, { attempt: 0, at: 2 });
  assert.deepEqual(
    events.map(({ id, data }) => [id, data]),
    [["0-4", { sequence: 0, text: "🐎b" }]],
  );
});

test("an id that no event had is none", () => {
  for (const text of ["1", "1-", "-1-2", "1-2-3", "x", "1-99999999999"])
    assert.equal(readLastEventId(text), null);
  assert.deepEqual(readLastEventId("2-17"), { kind: "place", place: { attempt: 2, at: 17 } });
  assert.deepEqual(readLastEventId("done"), { kind: "done" });
});

function placed(reports: readonly RunText["pieces"][]): RunText[] {
  let at = 0;
  return reports.map((pieces) => {
    const text = { at, pieces };
    at += pieces.reduce((sum, [, , one]) => sum + one.length, 0);
    return text;
  });
}

function textsAsEvents(reports: readonly RunText["pieces"][]) {
  return reports
    .flat()
    .map(([prompt, sequence, text]) => ({ data: { ...(prompt === 0 ? {} : { prompt }), sequence, text } }));
}

function bySequence(events: readonly Pick<RunEventOut, "data">[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const { data } of events) {
    const { prompt = 0, sequence, text } = data as { prompt?: number; sequence: number; text: string };
    texts[`${prompt}/${sequence}`] = (texts[`${prompt}/${sequence}`] ?? "") + text;
  }
  return texts;
}
