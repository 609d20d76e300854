// What a requirements file asks for, as the Truss command reads it for its signature: lines as they stand, or the
// dependencies of a pyproject.toml. Source: truss 0.18.35, util/requirements.py and base/truss_config.py. Pure.

import { readToml } from "./toml.ts";

/** Options and notes behind a requirement included; lines that are a note alone are left out. */
export function requirementLines(text: string): string[] {
  return text
    .split(/\r\n|[\n\r]/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** `project.dependencies` that are requirements; none where the text is no TOML. */
export function projectDependencies(text: string): string[] {
  if (text.length > mostCharacters) return [];
  const project = readToml(text)?.get("project");
  const listed = project instanceof Map ? project.get("dependencies") : undefined;
  if (!Array.isArray(listed)) return [];
  return listed.filter((one) => typeof one === "string").filter(isRequirement);
}

/** Of a project file, and of one dependency: whoever writes more means harm. */
const mostCharacters = 1024 * 1024;
const longestRequirement = 8_192;

const name = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/;
const wholeName = new RegExp(`${name.source}$`);
const url = /^\S+(?:\s+;.+)?$/;
/** The operator is as long as it can be: what follows does not begin like one. */
const version = /^(?:===?|[~!<>]=|[<>])\s*[^\s,;()=][^\s,;()]*$/;

/** By the shape of PEP 508; what a marker says is not looked at. Takes time with the text's length alone. */
function isRequirement(text: string): boolean {
  if (text.length > longestRequirement) return false;
  const trimmed = text.trim();
  const named = name.exec(trimmed)?.[0];
  if (named === undefined) return false;
  const rest = withoutExtras(trimmed.slice(named.length).trimStart());
  if (rest === null) return false;
  if (rest.startsWith("@")) return url.test(rest.slice(1).trimStart());
  const marked = rest.indexOf(";");
  if (marked >= 0 && !/^.+$/.test(rest.slice(marked + 1))) return false;
  return areVersions((marked < 0 ? rest : rest.slice(0, marked)).trim());
}

/** What follows the names in brackets, if there are any; null: they are no names. */
function withoutExtras(text: string): string | null {
  if (!text.startsWith("[")) return text;
  const end = text.indexOf("]");
  if (end < 0) return null;
  const inside = text.slice(1, end).trim();
  const areNames = inside === "" || inside.split(",").every((one) => wholeName.test(one.trim()));
  return areNames ? text.slice(end + 1).trimStart() : null;
}

/** Also none, in parentheses or without; a comma may stand behind the last. */
function areVersions(text: string): boolean {
  const isEnclosed = text.startsWith("(") && text.endsWith(")");
  const inside = isEnclosed ? text.slice(1, -1).trim() : text;
  if (inside === "") return true;
  const parts = inside.split(",").map((part) => part.trim());
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  return parts.every((part) => version.test(part));
}
