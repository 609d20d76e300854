// Which files of a directory stay out of a bundle: gitignore patterns, matched without regular expressions so that
// no pattern can be slow. One thing is as in Truss and not as in git: a later rule brings a file back even from a
// directory that is left out.
// Source: gitignore(5); pathspec (GitWildMatchPattern) as truss 0.18.35 calls it, with its built-in list.

export interface IgnoreRules {
  /** `path` is relative to the root, with "/" between its parts. */
  ignores(path: string, isDirectory: boolean): boolean;
  /** Whether something in a directory that is left out may come back, so that it must be entered. */
  readonly bringBack: boolean;
}

interface Rule {
  readonly negated: boolean;
  readonly directoryOnly: boolean;
  /** One matcher per path segment; `**` stands for any number of segments. */
  readonly segments: readonly string[];
}

/** What Truss leaves out, and what may hold secrets or belongs to editors and tools. */
// prettier-ignore
export const builtInIgnore: readonly string[] = [
  // Python.
  "__pycache__/", "*.py[cod]", "*$py.class", "*.so", ".Python", "*.egg-info/", "*.egg", ".eggs/", "eggs/",
  "build/", "develop-eggs/", "dist/", "downloads/", "lib/", "lib64/", "parts/", "sdist/", "var/", "wheels/",
  "share/python-wheels/", ".installed.cfg", "MANIFEST", "*.manifest", "*.spec", "pip-log.txt",
  "pip-delete-this-directory.txt", "htmlcov/", ".tox/", ".nox/", ".coverage", ".coverage.*", ".cache",
  "nosetests.xml", "coverage.xml", "*.cover", "*.py,cover", ".hypothesis/", ".pytest_cache/", "cover/", "*.mo",
  "*.pot", "local_settings.py", "db.sqlite3", "db.sqlite3-journal", "instance/", ".webassets-cache", ".scrapy",
  "docs/_build/", ".pybuilder/", "target/", ".ipynb_checkpoints", "profile_default/", "ipython_config.py",
  ".pdm.toml", "__pypackages__/", "celerybeat-schedule", "celerybeat.pid", "*.sage.py", ".mypy_cache/",
  ".dmypy.json", "dmypy.json", ".pyre/", ".pytype/", ".ruff_cache/", "cython_debug/", ".spyderproject", ".spyproject",
  ".ropeproject",
  // Environments: they may hold secrets.
  ".env", ".venv", "env/", "venv/", "ENV/", "env.bak/", "venv.bak/",
  // Tools and leftovers.
  ".git/", ".git", "node_modules/", ".corral/", ".DS_Store", "*.log", "*.tmp", "*.swp",
];

/** Rules from the lines of an ignore file; a later rule wins over an earlier one. */
export function ignoreRules(lines: readonly string[]): IgnoreRules {
  const rules = lines.map(parseRule).filter((rule) => rule !== null);
  const lastFirst = rules.toReversed();
  return {
    bringBack: rules.some(({ negated }) => negated),
    ignores(path, isDirectory) {
      const segments = path.split("/");
      const deciding = lastFirst.find((rule) => matches(rule, segments, isDirectory));
      return deciding !== undefined && !deciding.negated;
    },
  };
}

/** The path itself, or a directory that it lies in. */
function matches(rule: Rule, segments: readonly string[], isDirectory: boolean): boolean {
  return segments.some((_, index) => {
    const isLast = index === segments.length - 1;
    if (rule.directoryOnly && isLast && !isDirectory) return false;
    return matchSegments(rule.segments, segments.slice(0, index + 1));
  });
}

function parseRule(line: string): Rule | null {
  let pattern = line.trim();
  if (pattern === "" || pattern.startsWith("#")) return null;
  const negated = pattern.startsWith("!");
  if (negated) pattern = pattern.slice(1);
  const endsInSlash = pattern.endsWith("/");
  if (endsInSlash) pattern = pattern.slice(0, -1);
  const anchored = pattern.includes("/");
  if (pattern.startsWith("/")) pattern = pattern.slice(1);
  if (pattern === "") return null;
  const segments = pattern.split("/");
  // "a/**/" is "a/**" for pathspec.
  const isAllBelow = segments.at(-1) === "**" && segments.some((segment) => segment !== "**");
  const directoryOnly = endsInSlash && !isAllBelow;
  return { negated, directoryOnly, segments: anchored ? segments : ["**", ...segments] };
}

/** `**` takes any number of segments; at the end it needs at least one ("a/**" is what lies in a). */
function matchSegments(pattern: readonly string[], path: readonly string[]): boolean {
  // reachable[j]: the pattern so far can have taken the first j segments.
  let reachable = Array.from({ length: path.length + 1 }, (_, index) => index === 0);
  for (const [index, part] of pattern.entries()) {
    const next = Array.from({ length: path.length + 1 }, () => false);
    if (part === "**") {
      const atLeast = index === pattern.length - 1 && index > 0 ? 1 : 0;
      let open = false;
      for (let j = 0; j <= path.length; j++) {
        if (j >= atLeast && reachable[j - atLeast] === true) open = true;
        next[j] = open;
      }
    } else {
      for (let j = 0; j < path.length; j++) {
        if (reachable[j] === true && matchWord(part, path[j] ?? "")) next[j + 1] = true;
      }
    }
    reachable = next;
  }
  return reachable[path.length] === true;
}

/** One segment against `*`, `?`, `[…]` and `\x`; only the last star is ever retried, so it is quadratic at worst. */
function matchWord(pattern: string, word: string): boolean {
  let p = 0;
  let w = 0;
  let starAt = -1;
  let starWord = 0;
  while (w < word.length) {
    const taken = pattern[p] === "*" ? -1 : takeOne(pattern, p, word[w] ?? "");
    if (pattern[p] === "*") {
      starAt = p++;
      starWord = w;
    } else if (taken > 0) {
      p += taken;
      w++;
    } else if (starAt >= 0) {
      p = starAt + 1;
      w = ++starWord;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** How many characters of the pattern at `p` match `character`; 0: none. */
function takeOne(pattern: string, p: number, character: string): number {
  const first = pattern[p];
  if (first === undefined) return 0;
  if (first === "?") return 1;
  if (first === "\\" && p + 1 < pattern.length) return pattern[p + 1] === character ? 2 : 0;
  if (first === "[") {
    const set = takeSet(pattern, p, character);
    return set?.matches === true ? set.length : 0;
  }
  return first === character ? 1 : 0;
}

/** `[a-z]`, `[!a]`, `[^a]`, `[]a]`; null where no bracket closes it: git then matches nothing. */
function takeSet(
  pattern: string,
  p: number,
  character: string,
): { readonly matches: boolean; readonly length: number } | null {
  let at = p + 1;
  const negated = pattern[at] === "!" || pattern[at] === "^";
  if (negated) at++;
  let matches = false;
  for (const first = at; at < pattern.length;) {
    if (pattern[at] === "]" && at > first) return { matches: matches !== negated, length: at - p + 1 };
    if (pattern[at] === "\\") at++;
    const low = pattern[at] ?? "";
    let high = low;
    at++;
    if (pattern[at] === "-" && pattern[at + 1] !== undefined && pattern[at + 1] !== "]") {
      high = pattern[at + 1] ?? "";
      at += 2;
    }
    if (low <= character && character <= high) matches = true;
  }
  return null;
}
