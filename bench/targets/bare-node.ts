// The least that Node can do with a JSON body: `node:http` alone, in one process, that reads it, parses it and writes it
// back.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { announce } from "./target.ts";

const server = createServer((incoming, response) => {
  let body = "";
  incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
  incoming.on("end", () => {
    const answer = JSON.stringify(JSON.parse(body));
    response
      .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(answer) })
      .end(answer);
  });
});
// The client keeps its connections between rounds.
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  announce({ url: `http://127.0.0.1:${port}/predict`, headers: {} });
});
process.once("SIGTERM", () => process.exit(0));
process.stdin.once("close", () => process.exit(0)).resume();
