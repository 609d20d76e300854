import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { graphBufferBytes, orderGraph, type GraphTensor } from "./graph-allocator.ts";

const tensor = (
  bytes: number,
  sources: readonly GraphTensor[],
  more: Partial<GraphTensor> = {},
): GraphTensor => ({
  bytes,
  layout: String(bytes),
  sources,
  viewOf: null,
  kind: sources.length === 0 ? "input" : "computed",
  inPlace: false,
  ...more,
});

test("a chain needs the room of two neighbours, whatever its length", () => {
  let last = tensor(64, []);
  for (let index = 0; index < 1000; index++) last = tensor(64, [last]);
  assert.equal(graphBufferBytes([last]), 128);
});

test("an operation in place takes its source's room, unless others still need that", () => {
  const source = tensor(64, []);
  const first = tensor(64, [source]);
  assert.equal(graphBufferBytes([tensor(64, [first], { inPlace: true })]), 128);
  const second = tensor(64, [first], { inPlace: true });
  assert.equal(graphBufferBytes([tensor(64, [second, first])]), 192);
});

test("a view keeps what it shows, and takes no room", () => {
  const source = tensor(64, []);
  const first = tensor(64, [source]);
  const view = tensor(64, [first], { viewOf: first });
  const other = tensor(64, [tensor(64, [source])]);
  assert.equal(graphBufferBytes([tensor(64, [other, view])]), 192);
});

test("an output keeps its room, and weights have none", () => {
  const weight = tensor(1 << 30, [], { kind: "external" });
  const output = tensor(64, [tensor(64, [weight])], { kind: "output" });
  assert.equal(graphBufferBytes([output, tensor(64, [tensor(64, [output])])]), 192);
});

test("no graph needs more than all its tensors, nor less than the widest step", () => {
  const graphs = fc.array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 500 }),
      picks: fc.array(fc.nat(), { maxLength: 3 }),
      inPlace: fc.boolean(),
      kind: fc.constantFrom("computed" as const, "output" as const),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(graphs, (parts) => {
      const made: GraphTensor[] = [];
      for (const { bytes, picks, inPlace, kind } of parts) {
        const sources = made.length === 0 ? [] : picks.flatMap((pick) => made[pick % made.length] ?? []);
        made.push(tensor(bytes, sources, { inPlace, kind: sources.length === 0 ? "input" : kind }));
      }
      const aligned = (bytes: number) => Math.ceil(bytes / 32) * 32;
      const { nodes } = orderGraph(made);
      const steps = nodes.map((node) => {
        const distinct = new Set(node.sources.filter((source) => source.layout !== node.layout));
        return [...distinct].reduce((sum, { bytes }) => sum + aligned(bytes), aligned(node.bytes));
      });
      const all = made.reduce((sum, { bytes }) => sum + aligned(bytes), 0);
      const most = graphBufferBytes(made);
      assert.ok(most <= all && most >= Math.max(0, ...steps));
    }),
  );
});
