// What became of a patch, as a line for a person and as a value for a script.

import type { PatchAnswer } from "@corral/contract";
import { plural, printable } from "../table.ts";

export interface SentPatch {
  /** Paths. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** From the moment the change was seen to the answer. */
  readonly ms: number;
}

export function patchEvent({ changed, removed, ms }: SentPatch, answer: PatchAnswer) {
  return { event: "patch", ms, changed, removed, ...answer };
}

export function describePatch(patch: SentPatch, answer: PatchAnswer): string {
  const ms = Math.round(patch.ms);
  const files = filesOf(patch);
  switch (answer.kind) {
    case "applied":
      return `${files}: ${reloadText(answer)} in ${ms} ms`;
    case "needs_full_push":
      return `${files}: ${answer.message}`;
    case "refused": {
      const { file, line, message, traceback } = answer;
      const place = file === undefined ? "" : ` (${file}${line === undefined ? "" : ` line ${line}`})`;
      const trace = traceback === undefined ? "" : `\n${printableLines(traceback)}`;
      return `${files}: refused after ${ms} ms, the old code goes on${place}: ${printable(message)}${trace}`;
    }
  }
}

function reloadText({ reload, load_ms: loadMs }: Extract<PatchAnswer, { kind: "applied" }>): string {
  switch (reload) {
    case "state_kept":
      return "new code, state kept, load did not run";
    case "replaced":
      return `new code, load ran again (${Math.round(loadMs)} ms)`;
    case "unchanged":
      return "nothing to do";
    case "stored":
      return "stored; the deployment starts with it";
  }
}

function filesOf({ changed, removed }: SentPatch): string {
  const [first] = [...changed, ...removed];
  const count = changed.length + removed.length;
  return count === 1 && first !== undefined ? first : plural(count, "file");
}

function printableLines(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `  ${printable(line)}`)
    .join("\n");
}
