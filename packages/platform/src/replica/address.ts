// A replica's address as `node:http` and `undici` want it.

import { Pool } from "undici";
import type { Upstream } from "../gateway/proxy.ts";

/** Options of `node:http` for an address (`unix:/path` or `http://host:port`). */
export function requestOptions(
  address: string,
): { readonly socketPath: string } | { readonly host: string; readonly port: number } {
  if (address.startsWith("unix:")) return { socketPath: address.slice("unix:".length) };
  const { hostname, port } = new URL(address);
  return { host: hostname, port: Number(port) };
}

export interface ReplicaUpstream extends Upstream {
  readonly dispatcher: Pool;
}

/** One pool of connections a replica; it is destroyed with the replica. */
export function openUpstream(address: string): ReplicaUpstream {
  const unix = address.startsWith("unix:");
  const dispatcher = new Pool(unix ? "http://replica" : address, {
    // As many as there are calls: who has to wait, waits in the replica, which refuses what is too much.
    connections: null,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: 5_000, ...(unix ? { socketPath: address.slice("unix:".length) } : {}) },
  });
  return { dispatcher, inFlightCount: 0 };
}
