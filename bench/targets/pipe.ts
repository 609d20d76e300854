// `node:http` that pipes every call to a unix socket, and its answer back.

import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { announce } from "./target.ts";

/** @param headersOfCall what is sent beside the caller's own headers */
export async function listenAndPipe(
  socketPath: string,
  headersOfCall: () => Readonly<Record<string, string>> = () => ({}),
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  const server = createServer((incoming, response) => {
    const { method, url } = incoming;
    const headers = { ...incoming.headers, ...headersOfCall() };
    const forwarded = request({ socketPath, agent, method, path: url, headers }, (answered) => {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    incoming.pipe(forwarded);
  });
  // The client keeps its connections between rounds; closing one as it calls again would look like a failure.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  announce({ url: `http://127.0.0.1:${port}/predict`, headers: {} });
}
