// Binds a server to a replica's address, before the load, so that file access is allowed; and closes it.

import { rmSync } from "node:fs";
import type { Server } from "node:http";

/** `unix:/path` (a socket left behind by an earlier process is replaced) or `http://host:port`. */
export function bind(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const listening = () => {
      server.off("error", reject);
      resolve();
    };
    if (address.startsWith("unix:")) {
      const path = address.slice("unix:".length);
      rmSync(path, { force: true });
      server.listen(path, listening);
      return;
    }
    const { hostname, port } = new URL(address);
    server.listen(Number(port === "" ? 80 : port), hostname.replace(/^\[|\]$/g, ""), listening);
  });
}

/** Cuts what is still open. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
