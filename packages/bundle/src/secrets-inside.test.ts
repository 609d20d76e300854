import assert from "node:assert/strict";
import { it } from "node:test";
import { holdsPrivateKey, isSecretPath, mayHoldKey, secretInText, secretProblems } from "./secrets-inside.ts";

it("files that hold secrets are known by their names, wherever they lie", () => {
  const secret = [
    ".env",
    ".ENV",
    ".env.production",
    "sub/.env.local",
    ".netrc",
    ".npmrc",
    ".git-credentials",
    "keys/id_ed25519",
    ".ssh/config",
    "home/.aws/credentials",
    "admin-key",
    "tls/store.p12",
  ];
  const others = [
    ".env.example",
    "env",
    "model/env.py",
    "id_rsa.pub",
    "aws/x",
    "credentials.json",
    "key.py",
    ".envrc.md",
  ];
  for (const path of secret) assert.equal(isSecretPath(path), true, path);
  for (const path of others) assert.equal(isSecretPath(path), false, path);
});

it("a private key is known by its first line, in files that may hold one", () => {
  for (const kind of ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]) {
    assert.equal(holdsPrivateKey(`x\n-----BEGIN ${kind}PRIVATE KEY-----\n`), true, kind);
  }
  assert.equal(holdsPrivateKey("-----BEGIN CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----"), false);
  assert.equal(mayHoldKey("a/service.json", 2000), true);
  assert.equal(mayHoldKey("a/server.PEM", 2000), true);
  assert.equal(mayHoldKey("model/model.py", 2000), false);
  assert.equal(mayHoldKey("vocabulary.json", 1 << 20), false);
});

it("tokens in a config are known by their forms, examples are none", () => {
  const digits = "0123456789abcdefghijABCDEFGHIJ0123456789abcdef";
  const tokens = [
    `hf_${digits}`,
    `ghp_${digits}`,
    `github_pat_${digits}${digits}`,
    "AKIA0123456789ABCDEF",
    `sk-proj-${digits}`,
    `xoxb-${digits}`,
    `AIza${digits.slice(0, 35)}`,
    "-----BEGIN PRIVATE KEY-----",
  ];
  const examples = [
    "",
    "ENTER HF ACCESS TOKEN HERE",
    "hf_...",
    "sk-your-key",
    "sk-learn-pipeline-with-a-very-long-name-indeed",
    "123",
  ];
  for (const value of tokens) {
    const problems = secretProblems({ secrets: { name: value } });
    assert.equal(problems.length, 1, value.slice(0, 8));
    assert.ok(!problems[0]!.message.includes(value));
  }
  for (const value of examples)
    assert.deepEqual(secretProblems({ environment_variables: { A: value } }), [], value);
  assert.deepEqual(secretProblems({ secrets: null, environment_variables: ["x"] }), []);
});

it("code that holds a token is told from code that is about tokens, however long a line is", () => {
  const key = "QUJD".repeat(16);
  assert.equal(secretInText(`TOKEN = "hf_${"a1".repeat(20)}"\n`), "a Hugging Face token");
  assert.equal(secretInText(`KEY = """-----BEGIN RSA PRIVATE KEY-----\n${key}\n"""`), "a private key");
  assert.equal(secretInText(`"-----BEGIN PRIVATE KEY-----\\n${key}\\n"`), "a private key");
  assert.equal(secretInText('if "-----BEGIN PRIVATE KEY-----" in text:\n    raise ValueError(text)\n'), null);
  assert.equal(secretInText("aws_access_key_id = AKIAIOSFODNN7EXAMPLE"), null);
  const startedAt = performance.now();
  assert.equal(secretInText("sk-".repeat(21_000)), null);
  assert.ok(performance.now() - startedAt < 1_000);
});
