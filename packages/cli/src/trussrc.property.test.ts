import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { remoteUrlOf, withRemote } from "./trussrc.ts";

const line = fc.constantFrom(
  "",
  "# a note",
  "[other]",
  "[baseten]",
  "api_key = k",
  "remote_url = https://a",
  "  x: y",
);
const remote = { apiKey: "corral_a_b", url: "http://127.0.0.1:5526" };

test("whatever is in the file, the remote is in it once and the other lines stay", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = lines.join("\n");
      const written = withRemote(text, "corral", remote);
      assert.equal(remoteUrlOf(written, "corral"), remote.url);
      assert.equal(withRemote(written, "corral", remote), written);
      const others = (all: string) => all.split("\n").filter((one) => one !== "");
      assert.deepEqual(others(written).slice(0, others(text).length), others(text));
    }),
  );
});

test("a remote of the name is replaced where it stands", () => {
  const text = "[corral]\nremote_url = old\napi_key = old\n\n[other]\napi_key = kept\n";
  assert.equal(remoteUrlOf(text, "corral"), "old");
  assert.equal(
    withRemote(text, "corral", remote),
    "[corral]\nremote_provider = baseten\napi_key = corral_a_b\nremote_url = http://127.0.0.1:5526\n\n[other]\napi_key = kept\n",
  );
});
