import assert from "node:assert/strict";
import { test } from "node:test";
import { isOwnHost, ownNames, readTarget } from "./hosts.ts";

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
  assert.deepEqual(readTarget(names, "/a/b?c"), { kind: "path", path: "/a/b?c" });
  assert.deepEqual(readTarget(names, "http://localhost:5526/a?b"), { kind: "path", path: "/a?b" });
  assert.deepEqual(readTarget(names, "http://localhost:5526"), { kind: "path", path: "/" });
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
