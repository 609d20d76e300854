// A webhook receiver as a process of its own, which may be killed: what it answered 200 to is in its file before.
// node receiver.ts PORT FILE

import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

const [port = "0", file = ""] = process.argv.slice(2);
const descriptor = openSync(file, "a");

const server = createServer((request, response) => {
  void (async () => {
    const body = await text(request);
    const line = { id: request.headers["webhook-id"] ?? null, body: JSON.parse(body) as unknown };
    writeSync(descriptor, `${JSON.stringify(line)}\n`);
    fsyncSync(descriptor);
    response.writeHead(200).end();
  })().catch((error: unknown) => {
    response.writeHead(500).end(String(error));
  });
});
server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
process.on("disconnect", () => process.exit());
process.on("exit", () => closeSync(descriptor));
