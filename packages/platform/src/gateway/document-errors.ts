// Which errors a route of the OpenAPI document can answer with: from the one error table, the route's guard and the
// form of its family. No route lists them by hand, so none forgets one.

import { STATUS_CODES } from "node:http";
import { errorTable, type Dialect, type ErrorCode } from "@corral/contract";
import type { Guard } from "./guard.ts";

export interface DocumentedRoute {
  readonly method: string;
  readonly url: string;
  readonly guard: Guard;
  readonly dialect: Dialect;
  /** Errors of the route have a form of its own. */
  readonly ownForm: boolean;
  readonly takesBody: boolean;
}

interface DocumentedResponse {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: object }>>;
}

const text = { type: "string" } as const;
const anything = { type: "object", additionalProperties: true } as const;

/** For the document's components: the JSON of an error in each family's form. */
export const errorSchemas: Readonly<Record<string, object>> = {
  Problem: {
    ...anything,
    description: "Problem details (RFC 9457).",
    required: ["type", "title", "status", "code"],
    properties: { type: text, title: text, status: { type: "integer" }, code: text, detail: text },
  },
  BasetenError: { ...anything, required: ["error"], properties: { error: {} } },
  BasetenManagementError: anything,
  CerebriumError: { ...anything, properties: { message: text } },
  OpenAiError: { ...anything, required: ["error"], properties: { error: anything } },
};

const forms: Readonly<Record<Dialect, readonly [type: string, schema: string]>> = {
  corral: ["application/problem+json", "Problem"],
  baseten: ["application/json", "BasetenError"],
  cerebrium: ["application/json", "CerebriumError"],
  openai: ["application/json", "OpenAiError"],
};

/** Statuses that only some routes can give. */
const onlyWith: Readonly<Partial<Record<ErrorCode, (route: DocumentedRoute) => boolean>>> = {
  unauthenticated: ({ guard }) => guard !== "public" && guard !== "signature",
  invalid_json: ({ takesBody }) => takesBody,
  body_too_large: ({ takesBody }) => takesBody,
  unsupported_media_type: ({ takesBody }) => takesBody,
  upgrade_required: ({ url }) => url.includes("websocket") || url.endsWith("*"),
};

/** OpenAI's clients and Baseten's management API have 400 for whatever is wrong with a body. */
function statusIn(route: DocumentedRoute, status: number): number {
  return status === 422 && (route.dialect === "openai" || route.ownForm) ? 400 : status;
}

/** By status; which codes have it is in the error table. */
export function documentedErrors(route: DocumentedRoute): Record<string, DocumentedResponse> {
  const statuses = new Set<number>();
  for (const [code, { status }] of Object.entries(errorTable))
    if (onlyWith[code as ErrorCode]?.(route) !== false) statuses.add(statusIn(route, status));
  const [type, name] = route.ownForm
    ? (["application/json", "BasetenManagementError"] as const)
    : forms[route.dialect];
  const content = { [type]: { schema: { $ref: `#/components/schemas/${name}` } } };
  return Object.fromEntries(
    [...statuses]
      .toSorted((a, b) => a - b)
      .map((status) => [String(status), { description: STATUS_CODES[status] ?? "An error", content }]),
  );
}
