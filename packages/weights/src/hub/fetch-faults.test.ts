import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { fetchFromHub } from "./fetch.ts";
import type { Fault } from "./testing/fake-faults.ts";
import { assertFails, assertSame, noise, startHubCase } from "./testing/hub-case.ts";

const repository = "owner/name";
const sizeBytes = 1_000_000;
const files = { "config.json": "{}", "model.safetensors": noise(sizeBytes, 7) };
const all = ["config.json", "model.safetensors"];

const cases: readonly { name: string; faults: readonly Fault[]; most: number }[] = [
  {
    name: "a connection that breaks off",
    faults: [{ server: "cdn", cutAfterBytes: 12_345, times: 1 }],
    most: 1.05,
  },
  {
    name: "an answer that ends early without a word",
    faults: [{ server: "cdn", endAfterBytes: 777, times: 3 }],
    most: 1.05,
  },
  {
    name: "servers that are busy",
    faults: [
      { status: 429, retryAfterSeconds: 0.01, times: 2 },
      { server: "cdn", status: 503, times: 2 },
    ],
    most: 1.05,
  },
  {
    name: "a signed address that has expired",
    faults: [{ server: "cdn", status: 403, times: 2 }],
    most: 1.05,
  },
  {
    name: "a server that gives the whole file for a range",
    faults: [{ server: "cdn", ignoreRange: true }],
    most: 1.05,
  },
  {
    name: "a server that forgets ranges now and then",
    faults: [{ server: "cdn", ignoreRange: true, after: 3, times: 1 }],
    most: 2,
  },
  {
    name: "a server that cuts every connection, more often than there are tries",
    faults: [{ server: "cdn", cutAfterBytes: 20_000 }],
    most: 1.1,
  },
  {
    name: "no ranges and a cut in the middle",
    faults: [
      { server: "cdn", ignoreRange: true, cutAfterBytes: 400_000, times: 1 },
      { server: "cdn", ignoreRange: true },
    ],
    most: 1.5,
  },
];

for (const { name, faults, most } of cases) {
  test(`${name}: the file is the same, at most ${most} times its bytes came`, async (t) => {
    const { hub, options } = await startHubCase(t, files, { faults: faults.map((fault) => ({ ...fault })) });
    assertSame(await fetchFromHub({ repository }, options), files, all);
    assert.ok(hub.wireBytes() <= most * sizeBytes, `${hub.wireBytes()} bytes`);
    assert.ok(hub.faults.every((fault) => fault.times === undefined || fault.times === 0));
  });
}

test("a server that falls silent is left and asked again", async (t) => {
  const { hub, options } = await startHubCase(t, files, {
    faults: [{ server: "cdn", stallAfterBytes: 5_000, times: 1 }],
  });
  const tuning = { ...options.tuning, stallMs: 200 };
  assertSame(await fetchFromHub({ repository }, { ...options, tuning }), files, all);
  assert.ok(hub.wireBytes() <= 1.05 * sizeBytes, `${hub.wireBytes()} bytes`);
});

test("later ranges of an origin are asked for on condition that the file is still the same", async (t) => {
  const { hub, options } = await startHubCase(t, files);
  await fetchFromHub({ repository }, options);
  const conditions = hub.requests
    .filter((request) => request.server === "cdn")
    .map((request) => request.headers["if-range"]);
  assert.equal(conditions[0], undefined);
  assert.ok(conditions.slice(-1).every((condition) => condition?.startsWith('"cdn-')));
  assert.ok(
    hub.requests.every((request) => request.server === "cdn" || request.headers["if-range"] === undefined),
  );
});

test("a server whose ETags do not hold is asked without conditions after the first", async (t) => {
  const { hub, options } = await startHubCase(t, files, {
    faults: [{ server: "cdn", headers: { etag: '"of one machine"' } }],
  });
  const tuning = { ...options.tuning, connectionCount: 1 };
  assertSame(await fetchFromHub({ repository }, { ...options, tuning }), files, all);
  const conditions = hub.requests.filter((request) => request.headers["if-range"] !== undefined);
  assert.equal(conditions.length, 1);
});

test("headers that contradict the listing are told apart", async (t) => {
  const lies = [
    [{ "x-repo-commit": "f".repeat(40) }, /asked for at [0-9a-f]{40}, sent at f{40}/],
    [{ etag: `"${"e".repeat(40)}"` }, /listed with the digest [0-9a-f]{40}, sent with e{40}/],
    [{ "x-linked-size": "7" }, /listed with 2 bytes, sent with 7/],
    [{ "content-encoding": "br" }, /sent compressed although that was not asked for/],
  ] as const;
  for (const [headers, message] of lies) {
    const { options } = await startHubCase(t, files, {
      faults: [{ path: /resolve-cache.*config/, headers }],
    });
    await assertFails(
      fetchFromHub({ repository }, options),
      "download_corrupt",
      /^config\.json of owner\/name/,
      message,
    );
  }
});

test("a network that answers everything with a page of its own is not taken for the hub", async (t) => {
  const { hub, options, cache } = await startHubCase(t, files, {
    faults: [{ text: "<p>Welcome to the hotel" }],
  });
  await assertFails(
    fetchFromHub({ repository }, options),
    "hub_unavailable",
    /gave an answer that cannot be read/,
  );
  hub.faults.splice(0, 1, { path: /resolve|cdn/, text: "<p>Welcome to the hotel" });
  await assertFails(
    fetchFromHub({ repository }, options),
    "download_corrupt",
    /^config\.json of owner\/name/,
  );
  assert.ok(
    readdirSync(join(cache, "models--owner--name/blobs")).every((name) => name.includes(".incomplete")),
  );
});

test("bytes that are not what their digest says are thrown away, in large files and small", async (t) => {
  for (const [path, flipByteAt] of [
    ["model.safetensors", 654_321],
    ["config.json", 1],
  ] as const) {
    const { hub, options, cache } = await startHubCase(t, files, {
      faults: [{ path: new RegExp(`(cache|[0-9a-f]{40}).*${path}`), flipByteAt }],
    });
    await assertFails(
      fetchFromHub({ repository }, options),
      "download_corrupt",
      new RegExp(`^${path} of owner/name came with the`),
      /but the hub lists [0-9a-f]{40,64}/,
    );
    const blobs = readdirSync(join(cache, "models--owner--name/blobs"));
    assert.ok(
      blobs.every((blob) => blob.endsWith(".incomplete") || blob.endsWith(".map") || path !== "config.json"),
    );
    hub.faults.length = 0;
    assertSame(await fetchFromHub({ repository }, options), files, all);
  }
});

test("bytes that an earlier process left and that have rotted are fetched again", async (t) => {
  const { hub, options } = await startHubCase(t, files, {
    faults: [
      { server: "cdn", flipByteAt: 5, times: 1 },
      { server: "cdn", status: 500 },
    ],
  });
  await assertFails(fetchFromHub({ repository }, options), "hub_unavailable");
  hub.faults.length = 0;
  assertSame(await fetchFromHub({ repository }, options), files, all);
});

test("a file that was resumed and stays wrong is refused after one more try", async (t) => {
  const { hub, options } = await startHubCase(t, files, {
    faults: [{ server: "cdn", after: 1, status: 500 }],
  });
  await assertFails(fetchFromHub({ repository }, options), "hub_unavailable");
  hub.faults.splice(0, 1, { server: "cdn", flipByteAt: 150_000 });
  const before = hub.wireBytes();
  const attempt = fetchFromHub({ repository }, { ...options, signal: AbortSignal.timeout(10_000) });
  await assertFails(attempt, "download_corrupt");
  assert.ok(hub.wireBytes() - before < 2.1 * sizeBytes);
});

test("sizes and digests that contradict the listing are refused before the bytes are read", async (t) => {
  for (const lengthOffset of [-1, 1, 1000]) {
    const { hub, options } = await startHubCase(t, files, { faults: [{ server: "cdn", lengthOffset }] });
    await assertFails(
      fetchFromHub({ repository }, options),
      "download_corrupt",
      /model\.safetensors of owner\/name: listed with 1000000 bytes, but the server says "bytes 0-99999\/\d+"/,
    );
    assert.ok(hub.wireBytes() < 150_000);
  }
});

test("a whole file of another length is refused, too", async (t) => {
  const { options } = await startHubCase(t, files, {
    faults: [{ server: "cdn", lengthOffset: 5, ignoreRange: true }],
  });
  await assertFails(fetchFromHub({ repository }, options), "download_corrupt", /sent with 1000005/);
});

test("a hub that stays away is told after bounded tries, with how long it wants to be left alone", async (t) => {
  const { hub, options } = await startHubCase(t, files, { faults: [{ status: 503 }] });
  await assertFails(
    fetchFromHub({ repository }, options),
    "hub_unavailable",
    /answered 503/,
    /Tried 4 times; try again later/,
  );
  assert.equal(hub.requests.length, 4);
  hub.faults.splice(0, 1, { status: 429, retryAfterSeconds: 300 });
  await assert.rejects(fetchFromHub({ repository }, options), {
    code: "hub_unavailable",
    retryAfterSeconds: 300,
  });
  assert.equal(hub.requests.length, 5);
});

test("a hub that is not there is named with the cause", async (t) => {
  const { hub, options } = await startHubCase(t, files);
  await hub.close();
  await assertFails(
    fetchFromHub({ repository }, options),
    "hub_unavailable",
    /ECONNREFUSED/,
    new RegExp(hub.url),
  );
});

test("cut at random bytes any number of times, the file is the same and hardly a byte comes twice", async (t) => {
  const { hub, options, home } = await startHubCase(t, files);
  let round = 0;
  const cut = fc.record({
    cutAfterBytes: fc.integer({ min: 0, max: 120_000 }),
    after: fc.integer({ min: 0, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(cut, { maxLength: 12 }),
      fc.integer({ min: 1, max: 8 }),
      async (cuts, connectionCount) => {
        hub.faults.splice(
          0,
          hub.faults.length,
          ...cuts.map((fault) => ({ ...fault, server: "cdn" as const, times: 1 })),
        );
        const before = hub.wireBytes();
        const requestsBefore = hub.requests.length;
        const environment = { ...options.environment, HF_HOME: join(home, `round-${(round += 1)}`) };
        const tuning = { ...options.tuning, connectionCount, retry: { tries: 15, baseMs: 0, maxMs: 1 } };
        assertSame(await fetchFromHub({ repository }, { ...options, environment, tuning }), files, all);
        const wire = hub.wireBytes() - before;
        const requests = hub.requests.length - requestsBefore;
        // Headers of an answer are below 700 bytes, the two lists below 2,000.
        assert.ok(wire <= sizeBytes + 700 * requests + 2_000, `${wire} bytes in ${requests} requests`);
      },
    ),
    { numRuns: process.env["CORRAL_LONG_TESTS"] === "1" ? 300 : 12 },
  );
});
