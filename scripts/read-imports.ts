// Which modules a source file names, without compiling it.

export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/**
 * Every module that a source names: static imports and re-exports, which the formatter keeps at the start of a line,
 * and `import("…")`, `require("…")`, `require.resolve("…")` and `import.meta.resolve("…")` with a literal, anywhere.
 */
export function readImports(source: string): Import[] {
  const text = source.replaceAll(/^\s*(\/\/.*|\/\*[\s\S]*?\*\/|\*.*)$/gm, "");
  const found: Import[] = [];
  const statements =
    /^(?:import\s+(type\s+)?(?:[^"'`;()]*?\sfrom\s+)?|export\s+(type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+)["']([^"'\n]+)["']/gm;
  for (const [statement, importType, exportType, specifier = ""] of text.matchAll(statements)) {
    const names = /\{([^}]*)\}/
      .exec(statement)?.[1]
      ?.split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
    const onlyTypes =
      names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
    const mixed = /^(import|export)\s+\w+\s*,/.test(statement);
    found.push({ specifier, typeOnly: (importType ?? exportType) !== undefined || (onlyTypes && !mixed) });
  }
  const calls =
    /\b(typeof\s+)?(?:import|require|require\.resolve|import\.meta\.resolve)\(\s*["']([^"'\n]+)["']/g;
  for (const [, isType, specifier = ""] of text.matchAll(calls))
    found.push({ specifier, typeOnly: isType !== undefined });
  return found;
}
