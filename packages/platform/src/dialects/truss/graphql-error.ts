// Errors as GraphQL has them: status 200, the first message is what the Truss command prints.

import type { ErrorAnswer, ErrorCode, ServingError } from "@corral/contract";

/** Codes that the Truss command knows; others are ours. */
const codesOf: Partial<Record<ErrorCode, string>> = {
  model_not_found: "RESOURCE_NOT_FOUND",
  deployment_not_found: "RESOURCE_NOT_FOUND",
  version_not_found: "RESOURCE_NOT_FOUND",
  unauthenticated: "UNAUTHENTICATED_ACCESS",
};

export function graphQlErrorAnswer(_cause: unknown, error: ServingError): ErrorAnswer {
  const code = codesOf[error.code] ?? error.code.toUpperCase();
  const extensions = { code, ...(error.errors.length > 0 ? { errors: error.errors } : {}) };
  return {
    // Of what went wrong on our side the command says more by its status.
    status: error.status >= 500 ? error.status : 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ errors: [{ message: error.message, extensions }], data: null }),
  };
}
