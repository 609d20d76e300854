import assert from "node:assert/strict";
import { test } from "node:test";
import { mayReach } from "./public-address.ts";

test("addresses of the machine, its network and the cloud's own services are not reached, however they are written", () => {
  const may = mayReach("");
  const refused = [
    "127.0.0.1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "localhost",
    "",
  ];
  assert.deepEqual(refused.filter(may), []);
  assert.deepEqual(["8.8.8.8", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8"].map(may), [
    true,
    true,
    true,
    true,
  ]);
});

test("the operator may allow some of them", () => {
  const may = mayReach("127.0.0.1, 10.2.0.0/16,fd00::/8, nonsense");
  assert.deepEqual(["127.0.0.1", "10.2.9.9", "fd12::1", "::ffff:127.0.0.1"].map(may), [
    true,
    true,
    true,
    true,
  ]);
  assert.deepEqual(["127.0.0.2", "10.3.0.1", "fe80::1"].map(may), [false, false, false]);
});
