// The address by which a caller reaches this server, for answers that name one.

import { ownAuthorityOf, type OwnNames } from "../../gateway/hosts.ts";
import type { FastifyRequest } from "fastify";

/**
 * Without a trailing slash. The configured address where the caller used its name, so that TLS in front is kept; else
 * the very name that the caller used, which its proxy may be what leads here.
 */
export function baseUrlOf(names: OwnNames, { originalUrl, headers }: FastifyRequest): string {
  const authority = ownAuthorityOf(originalUrl) ?? headers.host ?? "";
  if (names.url !== null && new URL(names.url).host === authority.toLowerCase()) return names.url;
  return `http://${authority}`;
}
