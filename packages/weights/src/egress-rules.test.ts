import assert from "node:assert/strict";
import { test } from "node:test";
import { egressEntryProblem, readEgressRules, splitEntries } from "./egress-rules.ts";

const may = (allowed: string) => (address: string) => readEgressRules(allowed).mayReach(address, address);

test("addresses of the machine, its network and the cloud's own services are not reached, however they are written", () => {
  const refused = [
    "127.0.0.1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "0:0:0:0:0:ffff:7f00:1",
    "0000:0000:0000:0000:0000:FFFF:7F00:0001",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "localhost",
    "",
  ];
  assert.deepEqual(refused.filter(may("")), []);
  const reached = ["8.8.8.8", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8"];
  assert.deepEqual(reached.filter(may("")), reached);
});

test("the operator may allow some of them, by address, network and name", () => {
  const allowed = "127.0.0.1, 10.2.0.0/16,fd00::/8, nonsense!, hooks.local, *.inside.example";
  const reached = ["127.0.0.1", "10.2.9.9", "fd12::1", "::ffff:127.0.0.1"];
  assert.deepEqual(reached.filter(may(allowed)), reached);
  assert.deepEqual(["127.0.0.2", "10.3.0.1", "fe80::1"].filter(may(allowed)), []);
  const { allowsHost, mayReach } = readEgressRules(allowed);
  const hosts = ["hooks.local", "HOOKS.LOCAL.", "a.inside.example", "a.b.inside.example"];
  assert.deepEqual(hosts.filter(allowsHost), hosts);
  assert.deepEqual(
    ["x.hooks.local", "inside.example", "evilinside.example", "nonsense!"].filter(allowsHost),
    [],
  );
  assert.ok(mayReach("10.9.9.9", "hooks.local"));
  assert.ok(!mayReach("10.9.9.9", "other.local"));
});

test("what is no entry of the list is named", () => {
  const good = "10.0.0.0/8, ::1, fd00::/8, localhost, a-b.example, *.example";
  assert.deepEqual(splitEntries(good).map(egressEntryProblem), Array(6).fill(null));
  for (const bad of ["10.0.0.0/33", "10.0.0", "http://x", "a b", "fe80::1%eth0", "10.0.0.0/8/8", "*", "-a"])
    assert.match(egressEntryProblem(bad) ?? "", /10\.0\.0\.0|no address|prefix/, bad);
});
