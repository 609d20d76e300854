import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { placeExternalData, type ExternalDataOptions, type ExternalFile } from "./external-data.ts";
import { readEgressRules } from "@corral/weights";

async function places(t: TestContext, listener: RequestListener) {
  const root = await mkdtemp(join(tmpdir(), "corral-external-"));
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(root, { recursive: true, force: true });
  });
  const { port } = server.address() as AddressInfo;
  const lines: string[] = [];
  const place = async (files: readonly ExternalFile[], more: Partial<ExternalDataOptions> = {}) =>
    await placeExternalData(files, {
      cacheDirectory: join(root, "cache"),
      ownDirectory: join(root, "own"),
      dataDirectory: join(root, "data"),
      mayReach: readEgressRules("127.0.0.1").mayReach,
      signal: new AbortController().signal,
      stallMs: 500,
      limitBytes: 1_000_000,
      onProgress: (line) => lines.push(line),
      ...more,
    });
  return {
    place,
    lines,
    address: `http://127.0.0.1:${port}`,
    port,
    read: (path: string) => readFile(join(root, "data", path), "utf8"),
    root,
  };
}

test("a file is fetched once, through redirects, and placed where the config says", async (t) => {
  let asked = 0;
  const { place, address, read, lines } = await places(t, (request, response) => {
    asked += 1;
    if (request.url === "/here") response.writeHead(302, { location: "/there" }).end();
    else response.end("content");
  });
  const files = [{ url: `${address}/here`, localDataPath: "weights/model.bin" }];
  await place(files);
  assert.equal(await read("weights/model.bin"), "content");
  await place(files);
  assert.equal(asked, 2);
  assert.deepEqual(lines, ["Downloading weights/model.bin"]);
});

test("what a process that died left half downloaded is removed a day later, and nothing else", async (t) => {
  const { place, address, root } = await places(t, (_request, response) => response.end("content"));
  const cache = join(root, "cache");
  await mkdir(cache);
  const old = new Date(Date.now() - 25 * 3_600_000);
  for (const name of ["a.part-1", "b.part-2", "c"]) {
    await writeFile(join(cache, name), "half");
    if (name !== "b.part-2") await utimes(join(cache, name), old, old);
  }
  await place([{ url: address, localDataPath: "x" }]);
  const left = (await readdir(cache)).filter((name) => name.length < 20).toSorted((a, b) => (a < b ? -1 : 1));
  assert.deepEqual(left, ["b.part-2", "c"]);
});

test("addresses that are not public are refused, by number, by name and after a redirect", async (t) => {
  const { place, address, port } = await places(t, (request, response) => {
    if (request.url === "/away") response.writeHead(302, { location: "http://127.0.0.2/secret" }).end();
    else response.end("never");
  });
  const fetchOne = (url: string, allowed = "") =>
    place([{ url, localDataPath: "x" }], { mayReach: readEgressRules(allowed).mayReach });
  for (const url of [
    address,
    `http://localhost:${port}`,
    `http://[::1]:${port}`,
    `http://[::ffff:127.0.0.1]:${port}`,
  ]) {
    await assert.rejects(fetchOne(url), /no public address; list it in CORRAL_EGRESS_ALLOW/);
  }
  await assert.rejects(fetchOne(`${address}/away`, "127.0.0.1"), /127\.0\.0\.2, which is no public address/);
  await assert.rejects(fetchOne("file:///etc/passwd"), /no http or https address/);
});

test("what is missing, too large, cut short or silent leaves nothing behind", async (t) => {
  const { place, address, root } = await places(t, (request, response) => {
    if (request.url?.startsWith("/large") === true) response.end("x".repeat(2_000));
    else if (request.url === "/short") {
      response.writeHead(200, { "content-length": "100" });
      response.write("only this");
      setTimeout(() => response.destroy(), 20);
    } else if (request.url === "/silent") return;
    else response.writeHead(404).end();
  });
  const fetchOne = (path: string) =>
    place([{ url: address + path, localDataPath: "x" }], { limitBytes: 1_000 });
  await assert.rejects(fetchOne("/gone?signature=secret"), (error: Error) => {
    assert.match(error.message, /\/gone cannot be downloaded: 127\.0\.0\.1:\d+ answers 404/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
  await assert.rejects(fetchOne("/large"), /larger than 1000 bytes/);
  await assert.rejects(fetchOne("/short"), { code: "external_data_failed" });
  await assert.rejects(fetchOne("/silent"), /was silent for 0\.5 s/);
  assert.deepEqual(await readdir(join(root, "cache")), []);
});

test("a path that leads out of the data directory is refused before anything is fetched", async (t) => {
  const { place, address } = await places(t, () => assert.fail("nothing is fetched"));
  for (const localDataPath of ["../x", "/etc/x", "a/../../x", "", ".."]) {
    await assert.rejects(place([{ url: address, localDataPath }]), { code: "invalid_bundle" });
  }
});
