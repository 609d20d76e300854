// What an installation may see and write. A package that is built runs its author's code: it gets a place of its own, as
// the model's code does, and shares no cache with other bundles. Wheels are only unpacked, and come from the shared one.

import { dirname, isAbsolute, join } from "node:path";
import { findProgram } from "../code-worker/find-program.ts";
import { canIsolate, isolatingWords } from "../code-worker/isolation.ts";
import type { Installer } from "./environment-plan.ts";
import type { Interpreter } from "./interpreter.ts";

/** `wheels`: nothing is built. `builds`: packages may be. */
export type InstallWay = "wheels" | "builds";

export interface InstallPlace {
  readonly bundleDirectory: string;
  /** The only directory that can be written to. */
  readonly writable: string;
  readonly kept: readonly string[];
}

/** Words to put before a program; null: this system isolates nothing. */
export type Isolate = (place: InstallPlace) => readonly string[] | null;

/** @param hidden directories of the platform and of whoever runs it */
export function isolateInstallation(hidden: readonly string[], path: string): Isolate {
  return ({ bundleDirectory, writable, kept }) => {
    const options = {
      workingDirectory: bundleDirectory,
      scratchDirectory: writable,
      hidden,
      kept,
      mounts: [],
      path,
    };
    return canIsolate(options) ? isolatingWords(options) : null;
  };
}

export interface WayPlaces {
  readonly writable: string;
  readonly home: string;
  readonly cache: string;
  readonly temporary: string;
}

/** `directory` is that of all environments, `making` the one that is being made. */
export function placesOf(way: InstallWay, directory: string, making: string): WayPlaces {
  const own = way === "wheels" ? directory : join(making, buildFolder);
  return {
    writable: way === "wheels" ? directory : making,
    home: join(own, "home"),
    cache: join(own, "cache"),
    temporary: join(own, "tmp"),
  };
}

/** In the environment that is being made; removed before it is used. */
export const buildFolder = ".build";

/** What an installation itself needs to see. @param path where the installer is looked for */
export function keptFor(
  installer: Installer,
  { path: python }: Interpreter,
  path: string,
): readonly string[] {
  const base = dirname(dirname(python));
  if (installer.kind === "pip") return [base];
  const program = isAbsolute(installer.path) ? installer.path : findProgram(installer.path, path);
  return program === null ? [base] : [base, dirname(program)];
}
