// Which file of a bundle answers its calls. Pure: works on paths.

import type { BundleCode } from "./manifest.ts";
import type { TrussSettings } from "./truss-settings.ts";

export type CodeSearch =
  | { readonly kind: "found"; readonly code: BundleCode }
  | { readonly kind: "none" }
  /** `field` of the config; `message` is a whole sentence. */
  | { readonly kind: "wrong"; readonly field: string; readonly message: string };

const pythonFile = /\.py$/;
/** What Node runs as it stands. */
const typescriptFile = /\.(ts|mts|js|mjs)$/;
const codeFile = /\.(py|ts|mts|cts|js|mjs|cjs|tsx|jsx)$/i;
const defaultNames = ["model.py", "model.ts", "model.mts", "model.js", "model.mjs"];

type Places = Pick<TrussSettings, "modelModuleDir" | "modelClassFilename" | "modelClassName">;

/**
 * The file that the config names, else `model/model.py` or `model/model.ts`.
 * @param given whether the config says it; a filename that is the default and not there may be another default
 * @param paths of the bundle's files
 */
export function findCode(
  { modelModuleDir, modelClassFilename, modelClassName }: Places,
  given: { readonly filename: boolean; readonly className: boolean },
  paths: ReadonlySet<string>,
): CodeSearch {
  const directory = cleanPath(modelModuleDir);
  const within = (file: string) => (directory === "" ? file : `${directory}/${file}`);
  const named = cleanPath(modelClassFilename);
  // Truss writes its default into every config that it sends.
  const isNamed = given.filename && (named !== defaultNames[0] || paths.has(within(named)));
  const wanted = isNamed ? [named] : defaultNames;
  const found = wanted.map(within).filter((path) => paths.has(path));
  const [file, second] = found;
  if (file === undefined) {
    if (isNamed) return notThere(within(named));
    return strayCode(directory, paths);
  }
  if (second !== undefined) {
    const message = `${file} and ${second} are both there; name the one that answers calls in model_class_filename.`;
    return { kind: "wrong", field: "model_class_filename", message };
  }
  if (pythonFile.test(file))
    return { kind: "found", code: { kind: "python", file, className: modelClassName } };
  if (typescriptFile.test(file)) {
    const ofClass = given.className ? { className: modelClassName } : {};
    return { kind: "found", code: { kind: "typescript", file, ...ofClass } };
  }
  const message = `model_class_filename is ${JSON.stringify(modelClassFilename)}; it must end in .py, .ts, .mts, .js or .mjs.`;
  return { kind: "wrong", field: "model_class_filename", message };
}

export function isCode(path: string): boolean {
  return codeFile.test(path);
}

/** Without `./` before and `/` behind. */
export function cleanPath(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function notThere(path: string): CodeSearch {
  const message = `model_class_filename names ${path}, which is not in the directory or is left out by the ignore rules.`;
  return { kind: "wrong", field: "model_class_filename", message };
}

/** Code where a model's code belongs, of which none is its beginning, was meant to run. */
function strayCode(directory: string, paths: ReadonlySet<string>): CodeSearch {
  if (directory === "") return { kind: "none" };
  const stray = [...paths].find(
    (path) => path.startsWith(`${directory}/`) && isCode(path) && !path.endsWith("/__init__.py"),
  );
  if (stray === undefined) return { kind: "none" };
  const message =
    `${stray} is code, but there is neither ${directory}/model.py nor ${directory}/model.ts. ` +
    "Name the file that answers calls in model_class_filename, or remove the directory.";
  return { kind: "wrong", field: "model_class_filename", message };
}
