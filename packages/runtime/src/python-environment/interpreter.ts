// Which of the Pythons on this machine runs a model. Pure: looks for none.

export interface Interpreter {
  /** Of the program itself, links resolved: what an environment is made from must not move. */
  readonly path: string;
  /** `[3, 11, 7]`. */
  readonly version: readonly [number, number, number];
  /** As `sysconfig.get_platform()` says: `linux-x86_64`. */
  readonly platform: string;
}

export interface PythonWish {
  /** As in config.yaml: `py311`; null where the author names none. */
  readonly version: string | null;
  /** Refuse every other minor version. */
  readonly isStrict: boolean;
}

export type PythonChoice =
  | { readonly kind: "chosen"; readonly interpreter: Interpreter; readonly warning: string | null }
  | { readonly kind: "refused"; readonly reason: string };

/** What the host's own code runs on. */
export const oldestMinor = 9;
/** What Truss takes where the config names no version (since 0.15). */
const trussDefaultMinor = 13;

/** `py311`, `3.11` or `311` → 11; null where it is none of these. */
export function minorVersion(text: string): number | null {
  const found = /^(?:py)?3\.?(\d{1,2})$/.exec(text.trim());
  return found?.[1] === undefined ? null : Number(found[1]);
}

/**
 * The wanted minor version, else the nearest newer one with a warning: code and pinned packages of a version mostly
 * run on the next, and seldom on the one before. An older one is taken only where the author named none.
 */
export function choosePython(found: readonly Interpreter[], { version, isStrict }: PythonWish): PythonChoice {
  const named = version === null ? null : minorVersion(version);
  if (version !== null && named === null) {
    return {
      kind: "refused",
      reason: `python_version is ${JSON.stringify(version)}; write it as py39 to py314.`,
    };
  }
  const wanted = Math.max(named ?? trussDefaultMinor, oldestMinor);
  const usable = found.filter(({ version: [major, minor] }) => major === 3 && minor >= oldestMinor);
  const newestFirst = usable.toSorted((a, b) => b.version[1] - a.version[1] || b.version[2] - a.version[2]);
  const exact = newestFirst.find((interpreter) => interpreter.version[1] === wanted);
  if (exact !== undefined) return { kind: "chosen", interpreter: exact, warning: tooOld(named, exact) };

  const listed = listVersions(newestFirst);
  if (isStrict && named !== null) {
    return {
      kind: "refused",
      reason: `strict_python is set and Python 3.${wanted} is not on this machine (${listed}). Install it, or remove strict_python.`,
    };
  }
  const nearestNewer = newestFirst.findLast((interpreter) => interpreter.version[1] > wanted);
  const newer = newestFirst.find((interpreter) => interpreter.version[1] === nearestNewer?.version[1]);
  const taken = newer ?? (named === null ? newestFirst[0] : undefined);
  if (taken === undefined) {
    return {
      kind: "refused",
      reason: `python_version asks for Python 3.${wanted} and neither it nor a newer one is on this machine (${listed}). Install one, for example with the system's packages, or name an older python_version.`,
    };
  }
  const asked = named === null ? `Python 3.${wanted}, the default of python_version,` : `Python 3.${wanted}`;
  return {
    kind: "chosen",
    interpreter: taken,
    warning: `${asked} is not on this machine; the model runs on Python ${taken.version.join(".")}.`,
  };
}

/** Python 3.8 was allowed in 2024; nothing older than 3.9 is run. */
function tooOld(named: number | null, taken: Interpreter): string | null {
  if (named === null || named >= oldestMinor) return null;
  return `Python 3.${named} is too old to be run; the model runs on Python ${taken.version.join(".")}.`;
}

function listVersions(newestFirst: readonly Interpreter[]): string {
  if (newestFirst.length === 0) return "there is no Python from 3.9 on";
  return `there is ${newestFirst.map(({ version }) => version.join(".")).join(", ")}`;
}
