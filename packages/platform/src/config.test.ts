import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "./config.ts";

const noFile = () => null;

function valid(result: ReturnType<typeof readConfig>) {
  assert.equal(result.kind, "valid", JSON.stringify(result));
  return result.kind === "valid" ? result.config : assert.fail();
}

test("without any setting the server listens on loopback, port 5526", () => {
  const config = valid(readConfig([], {}, noFile));
  assert.equal(config.host, "127.0.0.1");
  assert.equal(config.port, 5526);
  assert.equal(config.url, null);
  assert.ok(Object.isFrozen(config));
});

test("a flag beats the environment, the environment beats the file", () => {
  const file = () => JSON.stringify({ port: 1, host: "h1", log_level: "debug" });
  const config = valid(
    readConfig(["--home", "/h", "--port", "3"], { CORRAL_PORT: "2", CORRAL_HOST: "h2" }, file),
  );
  assert.equal(config.port, 3);
  assert.equal(config.host, "h2");
  assert.equal(config.logLevel, "debug");
});

test("every bad value is named at once, with what it must be", () => {
  const result = readConfig(
    ["--bogus", "--output", "xml"],
    { CORRAL_PORT: "70000", CORRAL_URL: "ftp://x", LOG_LEVEL: "loud", CORRAL_EGRESS_ALLOW: "10.0.0.0/40" },
    noFile,
  );
  assert.equal(result.kind, "invalid");
  const text = result.kind === "invalid" ? result.problems.join("\n") : "";
  for (const part of [
    /--bogus is not known/,
    /--output is "xml"/,
    /CORRAL_PORT is "70000"; it must be a port/,
    /CORRAL_URL/,
    /LOG_LEVEL/,
    /CORRAL_EGRESS_ALLOW is "10\.0\.0\.0\/40"; it must be addresses, networks/,
  ]) {
    assert.match(text, part);
  }
});

test("a certificate comes with its key, and half of the two is refused", () => {
  assert.equal(valid(readConfig([], {}, noFile)).tls, null);
  const both = { CORRAL_TLS_CERT: "/c.pem", CORRAL_TLS_KEY: "/k.pem" };
  assert.deepEqual(valid(readConfig([], both, noFile)).tls, { cert: "/c.pem", key: "/k.pem" });
  const half = readConfig(["--tls-cert", "/c.pem"], {}, noFile);
  assert.match(JSON.stringify(half), /CORRAL_TLS_CERT is given without CORRAL_TLS_KEY; give both/);
});

test("a key or a database address that is wrong is never repeated in the message", () => {
  const result = readConfig(
    [],
    { CORRAL_API_KEY: "short secret", DATABASE_URL: "mysql://user:password@host" },
    noFile,
  );
  const text = JSON.stringify(result);
  assert.match(text, /CORRAL_API_KEY must be/);
  assert.match(text, /DATABASE_URL must be/);
  assert.doesNotMatch(text, /short secret|password/);
});

test("weights may always come from CORRAL_HOME/models, and from every listed root", () => {
  const config = valid(readConfig(["--home", "/h"], { CORRAL_MODEL_ROOTS: "/a:/b" }, noFile));
  assert.deepEqual(config.modelRoots, ["/h/models", "/a", "/b"]);
});

test("llama.cpp libraries are npm's unless a directory is named, which becomes absolute", () => {
  assert.equal(valid(readConfig([], {}, noFile)).llamaLibraries, null);
  const named = readConfig([], { CORRAL_LLAMA_LIBRARIES: "/opt/llama" }, noFile);
  assert.equal(valid(named).llamaLibraries, "/opt/llama");
  assert.equal(valid(readConfig(["--llama-libraries", "/a/../b"], {}, noFile)).llamaLibraries, "/b");
});

test("a device is one of those that there are, and any that answers where nobody says", () => {
  assert.equal(valid(readConfig([], {}, noFile)).device, "auto");
  assert.equal(valid(readConfig([], { CORRAL_DEVICE: "cpu" }, noFile)).device, "cpu");
  assert.equal(valid(readConfig(["--device", "cuda"], { CORRAL_DEVICE: "cpu" }, noFile)).device, "cuda");
  assert.match(
    JSON.stringify(readConfig([], { CORRAL_DEVICE: "tpu" }, noFile)),
    /CORRAL_DEVICE .*one of auto, cpu, cuda, vulkan/,
  );
});

test("an unknown key of the file, and a file that is not JSON, are refused by name", () => {
  assert.match(JSON.stringify(readConfig(["--home", "/h"], {}, () => '{"prot": 1}')), /prot.*not known/);
  assert.match(JSON.stringify(readConfig(["--home", "/h"], {}, () => "{")), /config.json is not valid JSON/);
});
