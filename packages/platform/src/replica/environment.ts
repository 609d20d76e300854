// The environment a replica starts with: built, never inherited, so that no key, token or database address of the
// platform reaches it.

import { join } from "node:path";
import type { LogLevel } from "@corral/contract";

/** @param options `installs`: it has code, whose packages may come from a registry */
export function replicaEnvironment(
  directory: string,
  logLevel: LogLevel,
  own: Readonly<Record<string, string | undefined>>,
  { installs }: { readonly installs: boolean },
): Record<string, string> {
  return {
    PATH: own["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: directory,
    TMPDIR: directory,
    LANG: own["LANG"] ?? "C.UTF-8",
    NODE_ENV: "production",
    LOG_LEVEL: logLevel,
    ...(own["TZ"] === undefined ? {} : { TZ: own["TZ"] }),
    // Where the system's own libraries lie on unusual machines; the dynamic linker reads it.
    ...(own["LD_LIBRARY_PATH"] === undefined ? {} : { LD_LIBRARY_PATH: own["LD_LIBRARY_PATH"] }),
    ...pick(own, deviceVariables),
    ...kernelCache(own),
    // Where Node keeps what it compiled: half of a start is reading TypeScript. Author code does not get it.
    ...pick(own, ["NODE_COMPILE_CACHE"]),
    ...(installs ? installerVariables(own) : {}),
    ...pick(own, ["HF_ENDPOINT"]),
    // Weights and KV cache in huge pages where the system leaves that to the program: 2 to 3 % less of a step, 9 % of a
    // single token's. Another C library, or an older one, does not read it.
    GLIBC_TUNABLES: own["GLIBC_TUNABLES"] ?? "glibc.malloc.hugetlb=1",
    // Decode calls that wander over pool threads cost 15 % (docs/adr/0004). Last: nothing may change it.
    UV_THREADPOOL_SIZE: "1",
  };
}

/**
 * Where CUDA's driver keeps the kernels that it translated for a GPU, which takes it minutes where a library has none
 * for that GPU: the operator's own place, as a replica's home is its own and new.
 */
function kernelCache(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const chosen = pick(own, ["CUDA_CACHE_PATH", "CUDA_CACHE_MAXSIZE", "CUDA_CACHE_DISABLE"]);
  const home = own["HOME"];
  return { ...(home === undefined ? {} : { CUDA_CACHE_PATH: join(home, ".nv/ComputeCache") }), ...chosen };
}

/** Which GPUs a process may see, and where Vulkan finds its drivers. */
const deviceVariables: readonly string[] = [
  "CUDA_VISIBLE_DEVICES",
  "GGML_VK_VISIBLE_DEVICES",
  "VK_DRIVER_FILES",
  "VK_ICD_FILENAMES",
];

/**
 * For a replica whose code wants files of the hub: where that is, who asks, and the operator's cache. The code itself
 * gets the address and no token.
 */
export function hubVariables(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const home = own["HOME"] ?? "";
  const cache = own["XDG_CACHE_HOME"] ?? join(home, ".cache");
  return {
    // A replica's home is its own.
    ...(home === "" ? {} : { HF_HOME: join(cache, "huggingface") }),
    ...pick(own, [
      "HF_TOKEN",
      "HUGGING_FACE_HUB_TOKEN",
      "HF_TOKEN_PATH",
      "HF_HUB_DISABLE_IMPLICIT_TOKEN",
      "HF_HOME",
      "HF_HUB_CACHE",
      "HUGGINGFACE_HUB_CACHE",
      "HF_HUB_OFFLINE",
    ]),
  };
}

/**
 * How pip, uv and npm reach a package registry, by name: `UV_` is also how libuv's own settings begin, and what publishes
 * packages is nobody's business here. Passwords may stand in the addresses.
 */
const installers: readonly string[] = [
  ...["INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "TRUSTED_HOST", "CERT", "CLIENT_CERT"].map(
    (name) => `PIP_${name}`,
  ),
  ...["CONFIG_FILE", "DEFAULT_TIMEOUT", "TIMEOUT", "RETRIES", "PROXY", "ONLY_BINARY", "NO_BINARY", "PRE"].map(
    (name) => `PIP_${name}`,
  ),
  ...["DEFAULT_INDEX", "INDEX", "INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX"].map(
    (name) => `UV_${name}`,
  ),
  ...["INDEX_STRATEGY", "INSECURE_HOST", "NATIVE_TLS", "SYSTEM_CERTS", "HTTP_TIMEOUT", "HTTP_RETRIES"].map(
    (name) => `UV_${name}`,
  ),
  ...["CONCURRENT_DOWNLOADS", "EXCLUDE_NEWER", "KEYRING_PROVIDER", "OFFLINE", "TORCH_BACKEND"].map(
    (name) => `UV_${name}`,
  ),
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "REQUESTS_CA_BUNDLE",
  "NODE_EXTRA_CA_CERTS",
  "CORRAL_EGRESS_ALLOW",
];
/** Of an index that has a name in `UV_INDEX`. */
const indexLogin = /^UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)$/;

/** For models with packages. Author code gets an environment of its own. */
function installerVariables(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = Object.keys(own).filter((name) => indexLogin.test(name) || /^npm_config_/i.test(name));
  const passed = [...installers, ...names];
  const home = own["HOME"];
  const npmSettings = names.some((name) => /^npm_config_userconfig$/i.test(name)) ? undefined : home;
  return {
    ...(npmSettings === undefined ? {} : { NPM_CONFIG_USERCONFIG: join(npmSettings, ".npmrc") }),
    // A replica's home is its own: this is where the operator's Pythons are.
    ...(home === undefined ? {} : { PYENV_ROOT: join(home, ".pyenv") }),
    ...(home === undefined ? {} : { UV_PYTHON_INSTALL_DIR: join(home, ".local/share/uv/python") }),
    ...pick(own, [...passed, "PYENV_ROOT"]),
  };
}

function pick(
  variables: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
}
