// Where imports of author code lead: `@corral/model` and zod to the running install, wherever the bundle lies, so that
// there is one of each; everything else as Node does it. Plain `.ts` and `.js` of a bundle are modules.

import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

const ofInstall = /^(@corral\/model|zod)(\/|$)/;

export function installModuleHooks(directory: string): void {
  const bundle = `${pathToFileURL(directory).href}/`;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      // Without hooks a bundle that brings a zod of its own would get schemas that ours does not know.
      if (ofInstall.test(specifier))
        return nextResolve(specifier, { ...context, parentURL: import.meta.url });
      const resolved = nextResolve(specifier, context);
      const path = resolved.url.startsWith(bundle) ? resolved.url.slice(bundle.length) : null;
      if (path === null || path.includes("node_modules/") || resolved.format === "commonjs") return resolved;
      if (path.endsWith(".ts")) return { ...resolved, format: "module-typescript" };
      if (path.endsWith(".js")) return { ...resolved, format: "module" };
      return resolved;
    },
  });
}
