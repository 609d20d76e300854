// What `build:llama` changes in llama.cpp's source: attention on a processor passes over the cells of other sequences,
// which in one KV cache for everybody are most of them, sixteen at a time and not one by one (docs/adr/0029).

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/** Counts up whenever what is built of a release changes. */
export const buildRevision = 2;

export interface Insertion {
  /** In `ggml/src/ggml-cpu`. */
  readonly file: string;
  /** A line of the source as it begins, which occurs once. */
  readonly line: string;
  readonly place: "before" | "after";
  readonly text: string;
}

const header = join(import.meta.dirname, "llama-changes", "skip-unseen.h");
const directory = "ggml/src/ggml-cpu";

const insertions: readonly Insertion[] = [
  {
    file: "ops.cpp",
    line: '#include "ops.h"',
    place: "after",
    text: `#include "${basename(header)}"`,
  },
  {
    file: "ops.cpp",
    line: "            if (mv == -INFINITY) {",
    place: "after",
    text: "                if (ic % 16 == 15) { ic = corral_skip_unseen(mp, ic + 1, ic_end) - 1; }",
  },
  {
    file: "ops.cpp",
    line: "            // skip the tile entirely if all the masks are -inf",
    place: "before",
    text: "            if (mask && corral_is_unseen(mask, iq1, iq2, iq3, tile_rows, ic, kv_tile)) { continue; }",
  },
  {
    // By this name the runner knows libraries with the change.
    file: "ggml-cpu.cpp",
    line: "static void * ggml_backend_cpu_get_proc_address(",
    place: "after",
    text: '    if (strcmp(name, "corral_skips_unseen_cells") == 0) { return (void *) ggml_backend_cpu_reg; }',
  },
];

/** Changes the source in place; fails where it is not the one that the changes are for. */
export function changeSource(source: string): void {
  copyFileSync(header, join(source, directory, basename(header)));
  for (const insertion of insertions) {
    const path = join(source, directory, insertion.file);
    writeFileSync(path, insert(readFileSync(path, "utf8"), insertion));
  }
}

/** The text with the line in its place; fails where the line it goes by is not there or there more than once. */
export function insert(text: string, { file, line, place, text: inserted }: Insertion): string {
  const lines = text.split("\n");
  const found = lines.flatMap((each, index) => (each.startsWith(line) ? [index] : []));
  const [at] = found;
  if (at === undefined || found.length > 1)
    throw new Error(`${file} has ${found.length} lines that begin with ${JSON.stringify(line)}, and not one`);
  lines.splice(place === "before" ? at : at + 1, 0, inserted);
  return lines.join("\n");
}
