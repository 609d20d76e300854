import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createClient } from "./client.ts";
import type { RunEvent } from "./follow-run.ts";

test("a run is followed over a connection that breaks, without a piece missing or twice", async () => {
  const asked: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const isFirst = request.headers["last-event-id"] === undefined;
    response.write(": ping\n\n");
    response.write(
      isFirst
        ? 'id: 0-2\nevent: token\ndata: {"text":"ab"}\n\nid: 0-3\nevent: tok'
        : 'id: 0-3\nevent: token\ndata: {"text":"c"}\n\nid: done\nevent: done\ndata: {"status":"succeeded"}\n\n',
      () => (isFirst ? response.destroy() : response.end()),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const events: RunEvent[] = [];
  for await (const event of createClient({ url, apiKey: "k" }).runs.follow("r/1")) events.push(event);
  assert.deepEqual(
    events.map(({ id, event }) => [id, event]),
    [
      ["0-2", "token"],
      ["0-3", "token"],
      ["done", "done"],
    ],
  );
  assert.deepEqual(
    asked.map((headers) => headers["last-event-id"]),
    [undefined, "0-2"],
  );
  server.closeAllConnections();
  server.close();
});
