// Errors of author code as the author reads them: places of the bundle's files, and none of what lies around them.

import { fileURLToPath, pathToFileURL } from "node:url";

const longestTraceback = 64 * 1024;
const mostCauses = 5;
const host = fileURLToPath(new URL(".", import.meta.url));

export interface Failure {
  readonly message: string;
  readonly traceback: string;
  readonly file?: string;
  readonly line?: number;
}

export interface Tracebacks {
  of(error: unknown): string;
  failure(error: unknown): Failure;
}

export function createTracebacks(directory: string): Tracebacks {
  const places = [`${pathToFileURL(directory).href}/`, `${directory}/`];
  const within = (text: string) => places.reduce((shortened, place) => shortened.replaceAll(place, ""), text);

  function stackOf(error: unknown, causes = 0): string {
    if (!(error instanceof Error)) return `Thrown: ${show(error)}`;
    const own = withoutHost(error.stack ?? String(error));
    if (error.cause === undefined || causes >= mostCauses) return own;
    return `${own}\nCaused by: ${stackOf(error.cause, causes + 1)}`;
  }
  const of = (error: unknown) => within(stackOf(error)).slice(0, longestTraceback);
  return {
    of,
    failure(error) {
      const traceback = of(error);
      const place = error instanceof Error ? placeIn(error, places) : null;
      return {
        message: within(
          error instanceof Error ? `${error.name}: ${error.message}` : `Thrown: ${show(error)}`,
        ),
        traceback,
        ...place,
      };
    },
  };
}

/** Of a syntax that cannot be run, the first line of the stack is `FILE:LINE`; else the first frame in the bundle. */
function placeIn(error: Error, places: readonly string[]): { file: string; line: number } | null {
  for (const text of (error.stack ?? "").split("\n")) {
    const place = places.find((one) => text.includes(one));
    if (place === undefined) continue;
    const found = /^(.+?):(\d+)(:\d+)?\)?$/.exec(text.slice(text.indexOf(place) + place.length));
    if (found?.[1] !== undefined) return { file: found[1], line: Number(found[2]) };
  }
  return null;
}

function withoutHost(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => !(/^\s+at /.test(line) && (line.includes(host) || line.includes("node:internal"))))
    .join("\n");
}

function show(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
