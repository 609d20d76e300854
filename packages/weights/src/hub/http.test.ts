import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { PassingFailure } from "./failures.ts";
import { getFromHub } from "./http.ts";
import { noise } from "./testing/hub-case.ts";

test("what came before a cut reaches even a slow reader, then the cut is told", async (t) => {
  const content = noise(300_000, 1);
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-length": 2 * content.length });
    response.write(content, () => response.socket?.destroySoon());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = { endpoint, token: null, cacheDirectory: "/nowhere", offline: false };
  const options = { settings, signal: new AbortController().signal, stallMs: 5_000 };
  const answer = await getFromHub(`${endpoint}/x`, { subject: { repository: null } }, options);
  const chunks: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      // Long enough for the connection to be seen as broken before the second chunk is taken.
      if (chunks.length === 1) await pause(200);
    }
  };
  await assert.rejects(read(), PassingFailure);
  assert.ok(Buffer.concat(chunks).equals(content));
});
