// Listings of mirrors that do not behave as the hub does.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { listCommit } from "./listing.ts";

test("a page that names itself as the next one ends the listing", async (t) => {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    const { port } = server.address() as AddressInfo;
    const url = new URL(request.url ?? "", `http://127.0.0.1:${port}`);
    url.searchParams.set("cursor", "again");
    response.setHeader("link", `<${url.href}>; rel="next"`);
    response.setHeader("content-type", "application/json");
    response.end("[]");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const listing = listCommit("owner/name", "0".repeat(40), {
    settings: { endpoint, token: null, cacheDirectory: "/nowhere", offline: false },
    signal: new AbortController().signal,
    stallMs: 5_000,
    retry: { tries: 1, baseMs: 1, maxMs: 1 },
  });
  await assert.rejects(listing, {
    code: "hub_unavailable",
    message: `${endpoint} gave a list of owner/name that does not end.`,
  });
  assert.equal(asked, 2);
});
