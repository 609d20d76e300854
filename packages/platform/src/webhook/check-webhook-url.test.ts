import assert from "node:assert/strict";
import { test } from "node:test";
import { readEgressRules } from "@corral/weights";
import { checkWebhookUrl, webhookUrlProblem } from "./check-webhook-url.ts";

const rules = readEgressRules("");

test("a public http or https address is kept in its plain form", () => {
  assert.equal(checkWebhookUrl("https://Example.com/hook?a=b", rules), "https://example.com/hook?a=b");
  assert.equal(checkWebhookUrl("http://8.8.8.8:8080", rules), "http://8.8.8.8:8080/");
});

test("what is no such address, or an inner one, is refused with the field, the value and the remedy", () => {
  const inner = [
    "http://127.0.0.1/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://169.254.169.254/latest/meta-data",
    "http://localhost:5526/graphql/",
    "http://LOCALHOST./",
    "http://a.localhost/",
  ];
  for (const url of inner) {
    const problem = webhookUrlProblem(url, rules);
    assert.equal(problem?.pointer, "/webhook_endpoint");
    assert.match(problem.message, /no public address.*CORRAL_EGRESS_ALLOW/, url);
  }
  for (const url of [
    "",
    "ftp://example.com/",
    "file:///etc/passwd",
    "//example.com",
    "example.com",
    "http://",
  ])
    assert.match(webhookUrlProblem(url, rules)?.message ?? "", /is no http:/, url);
  assert.match(
    webhookUrlProblem("https://user:hidden@example.com/?token=hidden", rules)?.message ?? "",
    /^webhook_endpoint is "https:\/\/example.com\/", which holds a user name/,
  );
  assert.match(
    webhookUrlProblem(`https://example.com/${"a".repeat(3_000)}`, rules)?.message ?? "",
    /3020 char/,
  );
  assert.throws(() => checkWebhookUrl("http://10.0.0.1/", rules, "webhookEndpoint"), {
    code: "invalid_parameter",
    message: /^webhookEndpoint is "http:\/\/10\.0\.0\.1\/"/,
  });
});

test("what the operator lists is taken, by address and by name", () => {
  for (const allowed of ["127.0.0.0/8", "localhost"])
    assert.equal(webhookUrlProblem("http://localhost:9/x", readEgressRules(allowed)), null);
  assert.equal(webhookUrlProblem("http://10.1.2.3/", readEgressRules("10.0.0.0/8")), null);
});
