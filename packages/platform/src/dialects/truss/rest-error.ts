// Errors of Baseten's management API: `code` and `message` are theirs, `error` is what its other clients read.

import type { ErrorAnswer, ErrorFault, ServingError } from "@corral/contract";
import { errorTable } from "@corral/contract";

const byStatus: Readonly<Record<number, string>> = {
  400: "VALIDATION_ERROR",
  401: "UNAUTHENTICATED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  409: "CONFLICT",
  422: "VALIDATION_ERROR",
  429: "RATE_LIMITED",
};

const byFault: Readonly<Record<ErrorFault, string>> = {
  client: "VALIDATION_ERROR",
  model: "VALIDATION_ERROR",
  platform: "INTERNAL_SERVER_ERROR",
};

export function restErrorAnswer(_cause: unknown, error: ServingError): ErrorAnswer {
  // Theirs has 400 for whatever is wrong with a body.
  const status = error.status === 422 ? 400 : error.status;
  const code = byStatus[status] ?? byFault[errorTable[error.code].fault];
  return {
    status,
    headers: {
      "content-type": "application/json",
      ...(error.retryAfterSeconds === null
        ? {}
        : { "retry-after": String(Math.ceil(error.retryAfterSeconds)) }),
    },
    body: JSON.stringify({ code, message: error.message, error: error.message }),
  };
}
