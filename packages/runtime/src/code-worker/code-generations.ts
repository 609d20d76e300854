// The files of each code that a replica was given, linked into directories beside each other below one that the code's
// processes can see: so a process can take files that came after its start. A linked file is the version's own.

import { copyFileSync, linkSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";

export interface CodeGenerations {
  /** The one in which all others are. */
  readonly directory: string;
  /** For a process that is to be started. */
  hold(): HeldGenerations;
  removeAll(): void;
}

/** Those that one process has its files in, one after the other. */
export interface HeldGenerations {
  /** The one that the process was started with, as long as it lives. */
  readonly first: string;
  /** Links the files of a version; gives the directory that they are in. */
  add(version: string): Promise<string>;
  /** The process has not taken it. */
  drop(generation: string): void;
  /** Removes those that code can hardly ask for any more: not the first, where its data are, and not the last. */
  prune(): void;
  /** The process is gone. */
  readonly release: () => void;
}

/** So many links are made before others have their turn; the engine's loop runs in the same thread. */
const linksATurn = 100;
/** Calls that began on old code may import from it late. */
const lastKept = 3;

export function createCodeGenerations(directory: string): CodeGenerations {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let number = 0;
  const remove = (generation: string) => rmSync(generation, { recursive: true, force: true });
  return {
    directory,
    hold() {
      const held: string[] = [];
      return {
        get first() {
          return held[0] ?? "";
        },
        async add(version) {
          const generation = join(directory, String((number += 1)));
          held.push(generation);
          await linkTree(version, generation);
          return generation;
        },
        drop(generation) {
          held.splice(held.indexOf(generation), 1);
          remove(generation);
        },
        prune() {
          for (const old of held.splice(1, Math.max(0, held.length - 1 - lastKept))) remove(old);
        },
        release: () => held.splice(0).forEach(remove),
      };
    },
    removeAll: () => remove(directory),
  };
}

async function linkTree(source: string, target: string): Promise<void> {
  let count = 0;
  const waiting: [string, string][] = [[source, target]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [from, to] = next;
    mkdirSync(to);
    // Of a replica's own: waiting for the file system off the loop would mean waiting behind a step of the engine.
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      if (entry.isDirectory()) waiting.push([join(from, entry.name), join(to, entry.name)]);
      else linkOrCopy(join(from, entry.name), join(to, entry.name));
      if ((count += 1) % linksATurn === 0) await nextTurn();
    }
  }
}

/** A home may lie on several file systems, or on one without links. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
