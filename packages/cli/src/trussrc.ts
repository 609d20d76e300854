// The text of `~/.trussrc`: remotes of the Truss command, one section each. Only the section asked for is touched.

export interface TrussRemote {
  readonly apiKey: string;
  readonly url: string;
}

/** The address of a remote that is there; null: none is. "" where the section has none. */
export function remoteUrlOf(text: string, name: string): string | null {
  const section = sectionOf(text.split(/\r?\n/), name);
  if (section === null) return null;
  const line = section.lines.find((one) => /^\s*remote_url\s*[=:]/.test(one));
  return line?.replace(/^[^=:]*[=:]/, "").trim() ?? "";
}

/** The same text with that remote in it, in the place of one of its name. */
export function withRemote(text: string, name: string, { apiKey, url }: TrussRemote): string {
  const own = [`[${name}]`, "remote_provider = baseten", `api_key = ${apiKey}`, `remote_url = ${url}`, ""];
  const lines = text === "" ? [] : text.split(/\r?\n/);
  const section = sectionOf(lines, name);
  if (section !== null) {
    return [...lines.slice(0, section.start), ...own, ...lines.slice(section.end)].join("\n");
  }
  while (lines.at(-1) === "") lines.pop();
  return [...lines, ...(lines.length === 0 ? [] : [""]), ...own].join("\n");
}

/** Lines `[start, end)` of a section, its head included. As Python's configparser reads heads: what follows is a comment. */
function sectionOf(lines: readonly string[], name: string) {
  const head = (line: string) => /^\[(.+)\]/.exec(line)?.[1];
  const start = lines.findIndex((line) => head(line) === name);
  if (start === -1) return null;
  const next = lines.findIndex((line, at) => at > start && head(line) !== undefined);
  const end = next === -1 ? lines.length : next;
  return { start, end, lines: lines.slice(start, end) };
}
