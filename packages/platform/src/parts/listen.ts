// Where the server listens, and the address that others see.

import { networkInterfaces } from "node:os";
import { ServingError } from "@corral/contract";
import type { PlatformConfig } from "../config.ts";
import type { CorralServer } from "../server.ts";

/** Gives the port. Fails with `conflict` where the address cannot be had. */
export async function listen(app: CorralServer["app"], { host, port }: PlatformConfig): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "EADDRINUSE") {
      throw new ServingError(
        "conflict",
        `Port ${port} on ${host} is in use; stop what listens there or choose another with --port or CORRAL_PORT.`,
        { cause },
      );
    }
    if (code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw new ServingError(
        "conflict",
        `Corral cannot listen on ${host}, port ${port} (${code}); choose others with --host and --port.`,
        { cause },
      );
    }
    throw cause;
  }
  const address = app.server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

export function ownUrl({ host, tls }: PlatformConfig, port: number): string {
  return `${tls === null ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export function localAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
}
