// A worker's messages as the Truss server would put them on the wire: status, headers that carry meaning, and body.

import type { Answer } from "./python-worker.ts";

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly isBrokenOff: boolean;
}

type Failure = NonNullable<Answer["error"]>;

const errorHeaders = (code: number) => ({
  "x-baseten-error-source": "04",
  "x-baseten-error-code": String(code),
});

export function asTrussAnswers({ head, pieces, error }: Answer): WireAnswer {
  if (head !== null) {
    const failedResponse = head.is_response === true && head.status >= 300;
    return {
      status: head.status,
      headers: { ...Object.fromEntries(head.headers), ...(failedResponse ? errorHeaders(700) : {}) },
      body: Buffer.concat(pieces),
      // An exception of the code ends a Truss stream as if it were complete; what cannot be sent breaks it off.
      isBrokenOff: error !== null && error.traceback === undefined,
    };
  }
  if (error === null) throw new TypeError("neither an answer nor an error");
  const { status, message, code } = envelope(error);
  return {
    status,
    headers: { "content-type": "application/json", ...errorHeaders(code) },
    body: Buffer.from(JSON.stringify({ error: message })),
    isBrokenOff: false,
  };
}

function envelope(error: Failure): {
  readonly status: number;
  readonly message: unknown;
  readonly code: number;
} {
  switch (error.reason) {
    case "http":
      return { status: error.status ?? 500, message: error.detail ?? null, code: 600 };
    case "invalid_json":
    case "invalid_input":
      return { status: 400, message: error.message, code: 700 };
    case "no_method":
      return { status: 404, message: error.message, code: 700 };
    case "unserialisable":
      return { status: 500, message: `Unhandled exception: ${error.message}`, code: 500 };
    default:
      return { status: 500, message: "Internal Server Error (in model/chainlet).", code: 600 };
  }
}
