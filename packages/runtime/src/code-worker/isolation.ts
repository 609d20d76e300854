// Namespaces of its own for a code worker, where the system allows an ordinary user to make them: it sees neither other
// processes nor the platform's directories, and whatever it starts ends with it. Linux and util-linux only.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findProgram } from "./find-program.ts";

export interface IsolationOptions {
  readonly workingDirectory: string;
  /** The only place that the worker can write; also its /tmp. */
  readonly scratchDirectory: string;
  /** Seen as empty; where there is not room for all that must be seen nevertheless, the later ones are not hidden. */
  readonly hidden: readonly string[];
  /** Which it can read wherever they lie. */
  readonly kept: readonly string[];
  /** Directories that it sees at other places, too, all absolute. */
  readonly mounts: readonly { readonly directory: string; readonly place: string }[];
  /** Where helpers are looked for. */
  readonly path: string;
}

const script = fileURLToPath(new URL("isolate.sh", import.meta.url));
/** Of this very program, with its dependencies. */
const install = fileURLToPath(new URL("../../../..", import.meta.url)).replace(/\/$/, "");
const probeMs = 5_000;

/** Whether the system allows it, found out by trying. Waits for a process, some 30 ms. */
export function canIsolate(options: IsolationOptions): boolean {
  const [program, ...args] = isolatingWords(options) ?? [];
  if (program === undefined) return false;
  const env = { PATH: options.path };
  return spawnSync(program, [...args, "true"], { env, stdio: "ignore", timeout: probeMs }).status === 0;
}

/** Words to put before a program; null where a helper is missing. */
export function isolatingWords(options: IsolationOptions): readonly string[] | null {
  if (process.platform !== "linux") return null;
  const { workingDirectory, scratchDirectory, mounts, path } = options;
  const unshare = findProgram("unshare", path);
  const setpriv = findProgram("setpriv", path);
  const shell = findProgram("sh", path);
  if (unshare === null || setpriv === null || shell === null) return null;
  const { outer, inner, hidden } = placesOf(options);
  // Root in there is the same ordinary user out here.
  const asRoot = [unshare, "--user", "--map-root-user", "--"];
  // Only then: becoming somebody else has taken away that this one ends with its parent.
  const endingWithParent = [setpriv, "--pdeathsig", "KILL", "--"];
  const spaces = [
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child=KILL",
    "--mount-proc",
  ];
  const places = [
    workingDirectory,
    scratchDirectory,
    ...outer,
    "--",
    ...hidden,
    "--",
    ...inner,
    "--",
    ...mounts.flatMap(({ directory, place }) => [directory, place]),
    "--",
  ];
  // Without any right over the namespaces: it cannot bring back what is hidden.
  const withoutRights = [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"];
  return [
    ...asRoot,
    ...endingWithParent,
    unshare,
    ...spaces,
    "--",
    shell,
    script,
    ...places,
    ...withoutRights,
  ];
}

/** Directories that should be hidden and are not, as too many others must be seen. */
export function unhiddenOf(options: IsolationOptions): readonly string[] {
  const { hidden } = placesOf(options);
  return options.hidden.filter((directory) => !hidden.includes(directory));
}

/** Of `isolate.sh`: a shell has ten descriptors that a script can name. */
const mostPlaces = 4;

interface Places {
  /** In /tmp, which becomes another one. */
  readonly outer: readonly string[];
  /** In hidden directories. */
  readonly inner: readonly string[];
  readonly hidden: readonly string[];
}

function placesOf({ hidden, kept }: IsolationOptions): Places {
  const needed = [install, ...kept];
  for (let count = hidden.length; ; count--) {
    const hiddenOnes = hidden.slice(0, count);
    const isHidden = (directory: string) => hiddenOnes.some((one) => isIn(directory, one));
    // What is hidden in /tmp, too, is hidden last.
    const outer = withoutInner(
      needed.filter((directory) => directory.startsWith("/tmp/") && !isHidden(directory)),
    );
    const inner = withoutInner(needed.filter(isHidden));
    if (count === 0 || outer.length + inner.length <= mostPlaces) return { outer, inner, hidden: hiddenOnes };
  }
}

const isIn = (directory: string, other: string) => directory === other || directory.startsWith(`${other}/`);

/** Those that lie in another one are there with it. */
function withoutInner(directories: readonly string[]): readonly string[] {
  const all = [...new Set(directories)];
  return all.filter((one) => !all.some((other) => other !== one && isIn(one, other)));
}
