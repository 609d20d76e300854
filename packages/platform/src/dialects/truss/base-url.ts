// The address by which a caller reaches this server, for answers that name one.

import { ownAuthorityOf, type OwnNames } from "../../gateway/hosts.ts";
import type { FastifyRequest } from "fastify";

/**
 * Without a trailing slash. The configured address where the caller used its name, so that TLS in front is kept; else
 * the very name that the caller used, which its proxy may be what leads here.
 */
export function baseUrlOf(names: OwnNames, { originalUrl, headers, raw }: FastifyRequest): string {
  const forwarded = ownAuthorityOf(originalUrl);
  const authority = forwarded ?? headers.host ?? "";
  if (names.url !== null && new URL(names.url).host === authority.toLowerCase()) return names.url;
  // Who took this server for a proxy named the scheme as well, whatever leads here.
  const scheme = forwarded === null ? schemeOf(raw.socket) : originalUrl.slice(0, originalUrl.indexOf(":"));
  return `${scheme.toLowerCase()}://${authority}`;
}

function schemeOf(socket: object): string {
  return "encrypted" in socket && socket.encrypted === true ? "https" : "http";
}
