// Chat templates of many models, out of llama.cpp's source: the npm package of our libraries' maker holds it as a git
// bundle. Fetched by npm once and kept under node_modules; the templates are not ours to publish.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const release = "node-llama-cpp@3.22.1";
const sha512 = "bltIipuWmc123H7tMIgDGKSsSrhmhlQYeVUC48XTjVW7XGJJiJJyCdlTMzQ/LiWoPkGDpcL4FviDpgw7qfTiDw==";
const cached = resolve(import.meta.dirname, `../../../../node_modules/.cache/corral/templates-of-${release}`);

/** The folder of `*.jinja` files, or why it cannot be had. */
export function llamaTemplates(): { readonly folder: string } | { readonly missing: string } {
  if (existsSync(cached)) return { folder: cached };
  const directory = mkdtempSync(join(tmpdir(), "corral-templates-"));
  try {
    fetchInto(directory);
    return { folder: cached };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
    return { missing: `the chat templates of ${release} could not be fetched: ${reason}` };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function fetchInto(directory: string): void {
  const run = (command: string, args: readonly string[]) =>
    execFileSync(command, args, {
      cwd: directory,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 240_000,
    });
  const archive = run("npm", [
    "pack",
    release,
    "--silent",
    "--ignore-scripts",
    "--pack-destination",
    ".",
  ]).trim();
  const hash = createHash("sha512")
    .update(readFileSync(join(directory, archive)))
    .digest("base64");
  if (hash !== sha512) throw new Error(`${archive} has another hash than the one that was recorded with`);
  run("tar", ["-xzf", archive, "package/llama/gitRelease.bundle"]);
  run("git", ["clone", "--quiet", "--no-checkout", "package/llama/gitRelease.bundle", "source"]);
  run("git", ["-C", "source", "checkout", "--quiet", "HEAD", "--", "models/templates"]);
  // Under its name only when it is whole; another process may have been first.
  mkdirSync(dirname(cached), { recursive: true });
  const part = `${cached}.${process.pid}`;
  cpSync(join(directory, "source/models/templates"), part, { recursive: true });
  try {
    renameSync(part, cached);
  } catch {
    rmSync(part, { recursive: true, force: true });
  }
}
