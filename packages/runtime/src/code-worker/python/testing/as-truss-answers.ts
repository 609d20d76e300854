// A worker's messages as a replica puts them on the wire for Baseten's clients: status, headers that carry meaning, body.

import { failureAnswer, headersOf } from "../../code-envelope.ts";
import type { Answer } from "./python-worker.ts";

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly isBrokenOff: boolean;
}

export function asTrussAnswers({ head, pieces, error }: Answer): WireAnswer {
  if (head !== null) {
    return {
      status: head.status,
      headers: joined(headersOf(head)),
      body: Buffer.concat(pieces),
      // An exception of the code ends a Truss stream as if it were complete; what cannot be sent breaks it off.
      isBrokenOff: error !== null && error.traceback === undefined,
    };
  }
  if (error === null) throw new TypeError("neither an answer nor an error");
  const { status, headers, body } = failureAnswer("baseten", error, "run");
  return { status, headers: joined(headers), body: Buffer.from(body), isBrokenOff: false };
}

function joined(headers: Readonly<Record<string, string | readonly string[]>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]),
  );
}
