// The environment of a process that prepares weights: built, never inherited. It reaches the hub with the operator's
// token and through the operator's proxies; no key or database address of the platform reaches it.

export function preparationEnvironment(
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: own["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    LANG: own["LANG"] ?? "C.UTF-8",
    NODE_ENV: "production",
  };
  for (const name of passedOn) {
    const value = own[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

const passedOn: readonly string[] = [
  // Where the hub is, who asks, and the cache that is shared with Python.
  "HF_ENDPOINT",
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "HF_TOKEN_PATH",
  "HF_HUB_DISABLE_IMPLICIT_TOKEN",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HUGGINGFACE_HUB_CACHE",
  "HF_HUB_OFFLINE",
  "TRANSFORMERS_OFFLINE",
  "HOME",
  "XDG_CACHE_HOME",
  // How the network is reached.
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  // Where Node keeps what it compiled.
  "NODE_COMPILE_CACHE",
  // Where the system has its own things on unusual machines.
  "LD_LIBRARY_PATH",
  "TMPDIR",
  "TZ",
];
