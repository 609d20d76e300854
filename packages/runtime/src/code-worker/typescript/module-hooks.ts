// Where imports of author code lead: `@corral/…` and zod to the running install, wherever the bundle lies, so that there is
// one of each; packages to where the bundle's were installed; everything else as Node does it. Plain `.ts` and `.js` of a
// bundle are modules.

import { readFileSync } from "node:fs";
import { createRequire, isBuiltin, registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const ofInstall = /^(@corral\/[\w-]+|zod)(\/|$)/;
const notPackage = /^([./#]|[a-z][a-z+.-]*:)/i;

/** @param packages a directory with `node_modules`; null: the bundle asks for none */
export function installModuleHooks(directory: string, packages: string | null): void {
  const bundle = `${pathToFileURL(directory).href}/`;
  const installed = packages === null ? null : `${pathToFileURL(packages).href}/`;
  const fromPackages = packages === null ? null : createRequire(`${packages}/index.js`);

  /** A package of the bundle's own as its file says; null: it is not there. */
  function resolvePackage<Resolved>(
    specifier: string,
    conditions: readonly string[],
    resolve: (parentURL: string) => Resolved,
  ): Resolved | { url: string; shortCircuit: true } | null {
    if (installed === null || fromPackages === null) return null;
    try {
      // `require` looks around the file that asks, whatever it is told.
      return conditions.includes("require")
        ? { url: pathToFileURL(fromPackages.resolve(specifier)).href, shortCircuit: true }
        : resolve(`${installed}index.js`);
    } catch (error) {
      // The error of the author's own file is the better one.
      if ((error as { readonly code?: string }).code?.endsWith("MODULE_NOT_FOUND") === true) return null;
      throw error;
    }
  }

  registerHooks({
    resolve(specifier, context, nextResolve) {
      const { parentURL = "" } = context;
      const isAuthors = parentURL.startsWith(bundle);
      if (ofInstall.test(specifier)) {
        const own = () => nextResolve(specifier, { ...context, parentURL: import.meta.url });
        if (isAuthors || installed === null || !parentURL.startsWith(installed)) return own();
        // A package that takes the author's schemas must have the author's zod; one that uses another version for
        // itself keeps it.
        const theirs = resolveOrNull(() => nextResolve(specifier, context));
        return theirs !== null && majorOf(theirs.url) !== ownZodMajor ? theirs : own();
      }
      if (isAuthors && !notPackage.test(specifier) && !isBuiltin(specifier)) {
        const found = resolvePackage(specifier, context.conditions, (from) =>
          nextResolve(specifier, { ...context, parentURL: from }),
        );
        if (found !== null) return found;
      }
      // Said again: a call above has left its own parent in what the next one starts from.
      const resolved = nextResolve(specifier, parentURL === "" ? context : { ...context, parentURL });
      const path = resolved.url.startsWith(bundle) ? resolved.url.slice(bundle.length) : null;
      if (path === null || path.includes("node_modules/") || resolved.format === "commonjs") return resolved;
      if (path.endsWith(".ts")) return { ...resolved, format: "module-typescript" };
      if (path.endsWith(".js")) return { ...resolved, format: "module" };
      return resolved;
    },
  });
}

function resolveOrNull<Resolved>(resolve: () => Resolved): Resolved | null {
  try {
    return resolve();
  } catch {
    return null;
  }
}

/** Of the zod in whose directory a file lies; null: it lies in none. */
function majorOf(url: string): string | null {
  const root = /^file:.*\/node_modules\/zod\//.exec(url)?.[0];
  if (root === undefined) return null;
  const text = readFileSync(fileURLToPath(`${root}package.json`), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version.split(".")[0] ?? null;
}

const ownZodMajor = majorOf(import.meta.resolve("zod"));
