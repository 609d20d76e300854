// The environment that author code starts with: built, never inherited, so that no key, token or database address of the
// platform, nor a setting of the replica, reaches it.

export interface WorkerEnvironmentOptions {
  /** The worker's home and place for temporary files. */
  readonly scratchDirectory: string;
  /** The author's `environment_variables`. */
  readonly variables: Readonly<Record<string, string>>;
  /** What the worker's language needs: a `PATH` with its tools, say. */
  readonly program: Readonly<Record<string, string>>;
  /** The replica's own. */
  readonly own: Readonly<Record<string, string | undefined>>;
}

export function workerEnvironment(options: WorkerEnvironmentOptions): Record<string, string> {
  const { scratchDirectory, variables, program, own } = options;
  return {
    PATH: own["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    LANG: own["LANG"] ?? "C.UTF-8",
    ...(own["TZ"] === undefined ? {} : { TZ: own["TZ"] }),
    ...pick(own, deviceVariables),
    ...program,
    ...pick(
      variables,
      Object.keys(variables).filter((name) => !reserved.includes(name)),
    ),
    // The author's say is over everything else but these: what the code writes goes where it is removed.
    HOME: scratchDirectory,
    TMPDIR: scratchDirectory,
  };
}

/** Truss keeps them for its server; nothing of code listens here. */
const reserved: readonly string[] = ["PORT", "HOSTNAME"];

/** Which GPUs code may see is the operator's decision. */
const deviceVariables: readonly string[] = [
  "CUDA_VISIBLE_DEVICES",
  "NVIDIA_VISIBLE_DEVICES",
  "LD_LIBRARY_PATH",
];

function pick(
  variables: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
}
