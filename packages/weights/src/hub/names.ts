// What may be called a repository, a revision, a file or a digest: the names become paths of the cache, so nothing else
// gets through.

import { ServingError } from "@corral/contract";

export const commitPattern = /^[0-9a-f]{40}$/;

/** Fails with `invalid_parameter`. Source of the rule: huggingface_hub 2.4.0, utils/_validators.py. */
export function checkRepositoryName(repository: string): void {
  const parts = repository.split("/");
  const isName = parts.every((part) => /^\w(?:[\w.-]*\w)?$/.test(part));
  const forbidden = repository.includes("--") || repository.includes("..") || repository.endsWith(".git");
  if (parts.length > 2 || repository.length > 96 || !isName || forbidden) {
    throw new ServingError(
      "invalid_parameter",
      `A hub repository is called \`owner/name\` in letters, digits, "-", "_" and ".", at most 96 of them; ${JSON.stringify(repository)} is not.`,
    );
  }
}

/** A branch, tag, `refs/pr/1` or commit. Fails with `invalid_parameter`. */
export function checkRevision(revision: string): void {
  if (isRelativePath(revision) && revision.length <= 255 && !/[\s~^:?*[\]@{]/.test(revision)) return;
  throw new ServingError(
    "invalid_parameter",
    `A revision is a branch, a tag or a commit of 40 hex digits; ${JSON.stringify(revision)} is not.`,
  );
}

/** True for a `/`-separated path that stays below its folder on every system. */
export function isRelativePath(path: string): boolean {
  return (
    path !== "" &&
    path.length <= 1024 &&
    // oxlint-disable-next-line no-control-regex -- these are what a name must not hold
    !/[\\:\u0000-\u001f]/.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}
