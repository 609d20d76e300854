// A program that prepares weights, for tests: speaks the lines of the real one and does what the repository's name
// asks for. Started like the real one: `node fake-preparation.ts --config FILE`.

import { appendFileSync, existsSync, readFileSync, renameSync, copyFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
// Types alone: reading the schemas would be most of its start.
import type { ErrorCode, PreparationConfig, PreparationMessage } from "@corral/contract";

const config = JSON.parse(readFileSync(process.argv[3] ?? "", "utf8")) as PreparationConfig;
const tiny = fileURLToPath(
  new URL("../../../../models/corral-tiny-2/corral-tiny-2-f16.gguf", import.meta.url),
);
const { source, target } = config;
const behaviour = source.kind === "hub" ? source.repository.replace(/^.*\//, "") : "quick";
const directory = dirname(target);
const attemptsPath = join(directory, "attempts");

const say = (message: PreparationMessage) => void process.stdout.write(`${JSON.stringify(message)}\n`);
const progress = (stage: "fetching" | "quantizing", doneBytes: number) =>
  say({
    kind: "progress",
    stage,
    progress: { done_bytes: doneBytes, total_bytes: 100, bytes_per_second: 10, eta_seconds: 1 },
  });
const fail = (code: ErrorCode, detail: string): never => {
  say({ kind: "failed", code, detail });
  process.exit(1);
};

appendFileSync(attemptsPath, `${process.pid}\n`);
const attempt = readFileSync(attemptsPath, "utf8").trim().split("\n").length;
process.stderr.write("a line for the log\n");
progress("fetching", attempt === 1 ? 40 : 10);

if (behaviour === "gated") fail("repository_gated", "Ask for access at https://hub.test/owner/gated.");
if (behaviour === "flaky" && attempt < 3) fail("hub_unavailable", "The hub answered 503.");
if (behaviour === "away") fail("hub_unavailable", "The hub does not answer.");
if (behaviour === "dies") process.exit(139);
if (behaviour === "environment") {
  const names = Object.keys(process.env).toSorted();
  fail("weights_unsupported", JSON.stringify([process.env["HF_TOKEN"] ?? null, names]));
}
if (behaviour === "slow") {
  const release = join(directory, "release");
  while (!existsSync(release)) await sleep(20);
}
progress("quantizing", 100);
say({ kind: "warning", detail: "blk.0 stays f16." });
copyFileSync(tiny, `${target}.part`);
renameSync(`${target}.part`, target);
const bytes = readFileSync(target).length;
const { createHash } = await import("node:crypto");
say({
  kind: "ready",
  path: target,
  bytes,
  sha256: createHash("sha256").update(readFileSync(target)).digest("hex"),
  revision: source.kind === "hub" ? "0123456789012345678901234567890123456789" : null,
});
