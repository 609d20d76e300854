// The environment that installers run with: built, never inherited. They reach the package registry as the operator's
// pip and uv do, and see no key, token or database address of the platform.

type Variables = Readonly<Record<string, string | undefined>>;

/** What pip and uv themselves read of how to reach a registry, and the proxies and certificates of the machine. */
const passedOn = [
  "PATH",
  "LANG",
  "TZ",
  "TMPDIR",
  "LD_LIBRARY_PATH",
  // Compilers for packages that are built here.
  "CC",
  "CXX",
  "CFLAGS",
  "CXXFLAGS",
  "LDFLAGS",
  "CUDA_HOME",
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "REQUESTS_CA_BUNDLE",
  "NETRC",
];
const prefixes = ["PIP_", "UV_"];
/** Of uv's own: these would change what is installed where, or fetch Pythons from outside the registries. */
const notPassedOn = new Set([
  "UV_CACHE_DIR",
  "UV_PYTHON",
  "UV_PROJECT_ENVIRONMENT",
  "UV_SYSTEM_PYTHON",
  "UV_TARGET",
  "UV_BREAK_SYSTEM_PACKAGES",
  "UV_PYTHON_DOWNLOADS",
  "UV_PYTHON_INSTALL_MIRROR",
  "UV_ENV_FILE",
  "PIP_TARGET",
  "PIP_PREFIX",
  "PIP_ROOT",
  "PIP_USER",
  "PIP_CACHE_DIR",
  "PIP_PYTHON",
  "PIP_REQUIRE_VIRTUALENV",
  "PIP_CONSTRAINT",
  "PIP_REQUIREMENT",
  "UV_CONSTRAINT",
  "UV_OVERRIDE",
]);

export interface InstallPlaces {
  /** An empty home: no author's build script reads the operator's files by accident. */
  readonly home: string;
  readonly cache: string;
}

/** `own` is the operator's environment. */
export function installVariables(own: Variables, { home, cache }: InstallPlaces): Record<string, string> {
  const passed = Object.entries(own).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      !notPassedOn.has(entry[0]) &&
      (passedOn.includes(entry[0]) || prefixes.some((prefix) => entry[0].startsWith(prefix))),
  );
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    LANG: "C.UTF-8",
    ...Object.fromEntries(passed),
    ...uvFromPip(own),
    HOME: home,
    PIP_CACHE_DIR: `${cache}/pip`,
    UV_CACHE_DIR: `${cache}/uv`,
    // Another Python would come from outside the package registries.
    UV_PYTHON_DOWNLOADS: "never",
    PYTHONDONTWRITEBYTECODE: "1",
  };
}

/** An operator who told pip where the registry is need not tell uv as well. */
function uvFromPip(own: Variables): Record<string, string> {
  const pairs: readonly (readonly [string, string])[] = [
    ["UV_DEFAULT_INDEX", "PIP_INDEX_URL"],
    ["UV_INDEX", "PIP_EXTRA_INDEX_URL"],
    ["UV_FIND_LINKS", "PIP_FIND_LINKS"],
    ["SSL_CERT_FILE", "PIP_CERT"],
  ];
  const variables: Record<string, string> = {};
  for (const [uv, pip] of pairs) {
    const value = own[pip];
    if (value !== undefined && own[uv] === undefined) variables[uv] = value;
  }
  return variables;
}
