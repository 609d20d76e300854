// Where the repository is and which files it consists of.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/**
 * Every file under version control or about to be, relative to the root: no ignored and no deleted ones. Where git is
 * missing or this is no checkout of it, the folders themselves are read.
 */
export function listFiles(root: string = repository, { git = true } = {}): string[] {
  const listed = (git ? listedByGit(root) : null) ?? listedByFolder(root);
  return [...new Set(listed)].filter((file) => existsSync(join(root, file))).sort();
}

function listedByGit(root: string): string[] | null {
  if (!existsSync(join(root, ".git"))) return null;
  // A checkout may belong to another user than the one who runs this.
  const words = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  try {
    const output = execFileSync("git", words, {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return output.split("\0").filter((file) => file !== "");
  } catch {
    return null;
  }
}

function listedByFolder(root: string): string[] {
  const isIgnored = readIgnored(root);
  const walk = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (path === ".git" || isIgnored(path, entry.isDirectory())) return [];
      return entry.isDirectory() ? walk(path) : [path];
    });
  return walk("");
}

/** Of .gitignore's language only what ours uses: names, and paths from the root, both with `*`; a slash ends folders. */
function readIgnored(root: string): (path: string, isFolder: boolean) => boolean {
  const file = join(root, ".gitignore");
  const rules = (existsSync(file) ? readFileSync(file, "utf8") : "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ pattern: line.replace(/^\/|\/$/g, ""), foldersOnly: line.endsWith("/") }));
  return (path, isFolder) =>
    rules.some(({ pattern, foldersOnly }) => {
      if (foldersOnly && !isFolder) return false;
      return matchesGlob(path, pattern.includes("/") ? pattern : `**/${pattern}`);
    });
}
