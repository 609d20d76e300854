// What a requirements file asks for, as the Truss command reads it for its signature: lines as they stand, or the
// dependencies of a pyproject.toml. Source: truss 0.18.35, util/requirements.py and base/truss_config.py. Pure.

import { readToml } from "./toml.ts";

/** What `requirements_file` may be besides a list of lines. */
export function isProjectFile(path: string): boolean {
  return /(^|\/)(pyproject\.toml|uv\.lock)$/.test(path);
}

/** The project file that is read for it: a lock is not read, but the one beside it. */
export function projectFileOf(path: string): string {
  return path.replace(/[^/]*$/, "pyproject.toml");
}

/** Options and notes behind a requirement included; lines that are a note alone are left out. */
export function requirementLines(text: string): string[] {
  return text
    .split(/\r\n|[\n\r]/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** `project.dependencies` that are requirements; none where the text is no TOML. */
export function projectDependencies(text: string): string[] {
  const project = readToml(text)?.get("project");
  const listed = project instanceof Map ? project.get("dependencies") : undefined;
  if (!Array.isArray(listed)) return [];
  return listed.filter((one) => typeof one === "string").filter(isRequirement);
}

const name = /[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/.source;
const extras = String.raw`(?:\s*\[\s*(?:${name}\s*(?:,\s*${name}\s*)*)?\])?`;
const version = String.raw`(?:===|~=|==|!=|<=|>=|<|>)\s*[^\s,;()]+`;
const versions = String.raw`${version}(?:\s*,\s*${version})*\s*,?`;
const requirement = new RegExp(
  String.raw`^\s*${name}${extras}\s*(?:@\s*\S+(?:\s+;.+)?|(?:\(\s*(?:${versions})?\s*\)|${versions})?\s*(?:;.+)?)\s*$`,
);

/** By the shape of PEP 508; what a marker says is not looked at. */
function isRequirement(text: string): boolean {
  return requirement.test(text);
}
