// What the installation of a deployment's packages or files said last, for people who wait for it.

import type { KeptLine } from "./log-book.ts";

const mostCharacters = 200;

/** Null: the last line of the last replica is about something else. */
export function installationLine(lines: readonly KeptLine[]): string | null {
  const last = lines.at(-1)?.line ?? "";
  if (!last.includes('"installation"')) return null;
  try {
    const { from, message } = JSON.parse(last) as { from?: unknown; message?: unknown };
    if (from !== "installation" || typeof message !== "string") return null;
    return message.trim().slice(0, mostCharacters);
  } catch {
    return null;
  }
}
