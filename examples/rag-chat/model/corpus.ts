// The documents in data/ → passages: one for each second-level heading of a Markdown file.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface Passage {
  /** File and heading, as an answer names it. */
  readonly source: string;
  readonly text: string;
}

export async function readPassages(directory: string): Promise<Passage[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".md"));
  const passages: Passage[] = [];
  for (const name of names.sort((a, b) => (a < b ? -1 : 1))) {
    const [, ...sections] = (await readFile(join(directory, name), "utf8")).split(/^## /m);
    for (const section of sections) {
      const [title = "", ...lines] = section.split("\n");
      const text = lines.join(" ").trim();
      passages.push({ source: `${name}: ${title}`, text: `${title}. ${text}` });
    }
  }
  return passages;
}
