import assert from "node:assert/strict";
import { test } from "node:test";
import { isForUs, isOwnHost, ownNames, readTarget } from "./hosts.ts";

test("a server on loopback answers to loopback names with its port, and to nothing else", () => {
  const names = ownNames("127.0.0.1", 5526, null, ["10.0.0.5"]);
  for (const host of ["localhost:5526", "127.0.0.1:5526", "[::1]:5526", "LOCALHOST:5526"])
    assert.ok(isOwnHost(names, host), host);
  for (const host of [
    undefined,
    "",
    "localhost",
    "localhost:80",
    "evil.example:5526",
    "10.0.0.5:5526",
    "localhost:5526.evil",
  ]) {
    assert.ok(!isOwnHost(names, host), host);
  }
});

test("the configured address and, when listening everywhere, the machine's own addresses count too", () => {
  const names = ownNames("0.0.0.0", 5526, "https://models.example", ["10.0.0.5", "fe80::1"]);
  for (const host of ["models.example", "models.example:443", "10.0.0.5:5526", "[fe80::1]:5526"])
    assert.ok(isOwnHost(names, host), host);
  assert.ok(!isOwnHost(names, "models.example:5526"));
});

test("an absolute target becomes a path where it names this server, else it is foreign", () => {
  const names = ownNames("127.0.0.1", 5526, null, []);
  assert.deepEqual(readTarget(names, "/a/b?c"), { kind: "path", path: "/a/b?c", absolute: false });
  assert.deepEqual(readTarget(names, "http://localhost:5526/a?b"), {
    kind: "path",
    path: "/a?b",
    absolute: true,
  });
  assert.deepEqual(readTarget(names, "http://localhost:5526"), {
    kind: "path",
    path: "/",
    absolute: true,
  });
  for (const target of [
    "http://evil.example/a",
    "http://user@localhost:5526@evil/",
    "*",
    "evil:443",
    "ftp://localhost:5526/",
  ]) {
    assert.equal(readTarget(names, target).kind, "foreign", target);
  }
});

test("the addresses that the Truss command knows count in an absolute target, and in no other", () => {
  const names = ownNames("127.0.0.1", 5526, null, []);
  for (const authority of ["localhost:8000", "api.localhost:8000"]) {
    assert.ok(isForUs(names, `http://${authority}/graphql/`, authority), authority);
    assert.ok(!isForUs(names, "/graphql/", authority), authority);
    assert.ok(!isForUs(names, `http://${authority}/graphql/`, "evil.example"), authority);
  }
  for (const target of ["http://localhost:8001/", "http://api.baseten.co/", "http://evil.localhost:8000/"]) {
    assert.ok(!isForUs(names, target, new URL(target).host), target);
  }
});

test("a model in the name of a host that is ours becomes the beginning of the path", () => {
  const names = ownNames("127.0.0.1", 5526, null, []);
  const cases = [
    ["http://model-ab1.api.localhost:8000/deployment/x/predict", "model-ab1.api.localhost:8000"],
    ["/deployment/x/predict", "model-ab1.api.localhost:5526"],
  ] as const;
  for (const [target, host] of cases) {
    const read = readTarget(names, target, host);
    assert.equal(read.kind === "path" ? read.path : null, "/model/ab1/deployment/x/predict");
    assert.ok(isForUs(names, target, host), host);
  }
  assert.ok(!isForUs(names, "/a", "model-ab1.api.evil:5526"));
});
