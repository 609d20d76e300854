// The one place where an error becomes an answer: in the family of the route, readable even while a body is still
// arriving, logged where it is nobody's fault but ours.

import { ServingError, asServingError, errorAnswer } from "@corral/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import { answerEarly } from "./answer-early.ts";
import type { Principal } from "./authenticate.ts";

declare module "fastify" {
  interface FastifyRequest {
    principal: Principal | null;
  }
}

/** Who calls; only for routes whose guard asks for a key. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null)
    throw new TypeError(`${request.url} has no principal: its guard is public.`);
  return request.principal;
}

export function answerError(
  request: FastifyRequest,
  reply: FastifyReply,
  cause: unknown,
  runId: string | null = null,
): void {
  const error = toServingError(cause);
  if (error.code === "internal" && !isExpected(cause))
    request.log.error({ err: error.cause ?? error }, "an unexpected error");
  const dialect = request.routeOptions?.config?.dialect ?? "corral";
  const instance = request.url.split("?")[0] ?? "/";
  const own = request.routeOptions?.config?.errorAnswer;
  const answer = own?.(cause, error) ?? errorAnswer(dialect, error, { runId, instance, source: "gateway" });
  reply.hijack();
  const extra: Record<string, string> = runId === null ? {} : { "x-corral-run-id": runId };
  if (answer.status === 401) extra["www-authenticate"] = "Api-Key";
  if (error.code === "method_not_allowed")
    extra["allow"] = request.routeOptions.config.methodNotAllowed?.join(", ") ?? "";
  answerEarly(request.raw, reply.raw, { ...answer, headers: { ...answer.headers, ...extra } });
}

/** A refusal in the words of a protocol of its own. */
function isExpected(cause: unknown): boolean {
  return cause instanceof Error && "s3Code" in cause;
}

/** Fastify's own refusals in the words of our table. */
export function toServingError(error: unknown): ServingError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new ServingError("body_too_large", "The body is over the limit of this route.", {
        cause: error,
      });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new ServingError(
        "unsupported_media_type",
        'Send JSON with the header "Content-Type: application/json".',
        { cause: error },
      );
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new ServingError("client_closed", "The body is not as long as its Content-Length says.", {
        cause: error,
      });
    default:
      return asServingError(error);
  }
}
