// What a Python file imports, by top-level name, and which packages come with the Truss server's image so that authors
// do not list them. Pure.

/**
 * Module → the package that brings it. Installed where the code imports the module and no requirement names the
 * package; mostly without a version, so that the author's pins decide. FastAPI and Starlette are those that code for
 * Truss was written for. Source: truss 0.18.35, templates/server/requirements.txt.
 */
const providedPackages: Readonly<Record<string, string>> = {
  Cython: "cython",
  aiofiles: "aiofiles",
  aiohttp: "aiohttp",
  anyio: "anyio",
  fastapi: "fastapi>=0.114,<0.125",
  joblib: "joblib",
  loguru: "loguru",
  msgpack: "msgpack",
  msgpack_numpy: "msgpack-numpy",
  numpy: "numpy",
  opentelemetry: "opentelemetry-sdk",
  prometheus_client: "prometheus-client",
  psutil: "psutil",
  pydantic: "pydantic",
  pythonjsonlogger: "python-json-logger",
  requests: "requests",
  starlette: "starlette<0.51",
  uvicorn: "uvicorn",
  uvloop: "uvloop",
  websockets: "websockets",
  yaml: "PyYAML",
};

/**
 * Requirement → what it uses of that image without asking for it. The tokenizers of Llama 2 read sentencepiece models
 * with protobuf. Source: transformers 4.32.1, convert_slow_tokenizer.py.
 */
const usedSilently: Readonly<Record<string, readonly string[]>> = { sentencepiece: ["protobuf"] };

/** Too many rather than too few: a line of a docstring that looks like an import counts as one. */
export function importedModules(source: string): Set<string> {
  const modules = new Set<string>();
  for (const [, from, list] of source.matchAll(
    /^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import\b|import[ \t]+([^#\n;]+))/gm,
  )) {
    for (const name of from === undefined ? (list ?? "").split(",") : [from]) {
      const top = /^\s*([A-Za-z_]\w*)/.exec(name)?.[1];
      if (top !== undefined) modules.add(top);
    }
  }
  // The method is handed Starlette's WebSocket, which it need not import.
  if (/^[ \t]+async[ \t]+def[ \t]+websocket[ \t]*\(/m.test(source)) modules.add("starlette");
  return modules;
}

/** The packages that the code needs beside its requirements, in order. */
export function companionPackages(
  modules: ReadonlySet<string>,
  requirementLines: readonly string[],
): readonly string[] {
  const named = new Set(requirementLines.flatMap((line) => requirementName(line) ?? []));
  const used = [...named].flatMap((name) => usedSilently[name] ?? []);
  const wanted = [
    ...Object.entries(providedPackages)
      .filter(([module]) => modules.has(module))
      .map(([, line]) => line),
    ...used,
  ].filter((line) => !named.has(requirementName(line) ?? line));
  return wanted.toSorted((a, b) => (a < b ? -1 : 1));
}

export interface Bound {
  /** As pip reads it. */
  readonly line: string;
  /** A sentence for the author. */
  readonly reason: string;
}

interface Break {
  readonly name: string;
  readonly bound: string;
  /** What code has that the versions from there on refuse. */
  readonly sign: RegExp;
  readonly what: string;
}

/** Seen in the Llama directories of truss-examples, which name transformers without a version. */
const breaks: readonly Break[] = [
  {
    name: "transformers",
    bound: "<5",
    sign: /\buse_auth_token\s*=/,
    what: "use_auth_token, which transformers 5 no longer takes",
  },
];

/** Bounds for packages that are named without any version, where the code shows that it was written for older ones. */
export function boundsFor(sources: readonly string[], requirementLines: readonly string[]): readonly Bound[] {
  return breaks.flatMap(({ name, bound, sign, what }) => {
    const lines = requirementLines.filter((line) => requirementName(line) === name);
    const isOpen = lines.length > 0 && lines.every((line) => !/[=<>~@]/.test(line.replace(/[;#].*$/, "")));
    if (!isOpen || !sources.some((source) => sign.test(source))) return [];
    const line = `${name}${bound}`;
    return [
      { line, reason: `The code uses ${what}: ${line} is installed. Name a version to choose it yourself.` },
    ];
  });
}

/** `Torch[cuda]==2.1 ; …` → `torch`; null for options and addresses. */
export function requirementName(line: string): string | null {
  const found = /^\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\]\s*)?(?:$|[=<>!~;@(#\s])/.exec(line);
  return found?.[1] === undefined ? null : canonicalName(found[1]);
}

/** PEP 503. */
function canonicalName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, "-");
}
