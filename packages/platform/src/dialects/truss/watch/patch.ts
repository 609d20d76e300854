// A patch as the Truss command sends it → which files of the bundle it changes. Pure.

import { cleanPath, isProjectFile, projectFileOf, readYaml } from "@corral/bundle";
import { ServingError } from "@corral/contract";
import { z } from "zod";

const filePatch = z.looseObject({
  action: z.enum(["ADD", "UPDATE", "REMOVE"]),
  path: z.string().min(1).max(1024),
  content: z.string().nullish(),
  content_bytes: z.base64().nullish(),
  hot_reload: z.boolean().optional(),
});

const signature = z.looseObject({
  content_hashes_by_path: z.record(z.string(), z.string().nullable()),
  config: z.string(),
  requirements_file_requirements: z.array(z.string()).default([]),
});

const patchSchema = z.looseObject({
  prev_hash: z.string().min(1).max(200),
  next_hash: z.string().min(1).max(200),
  prev_signature: signature,
  next_signature: signature,
  patch_ops: z.array(z.looseObject({ type: z.string(), body: z.unknown() })).max(1_000),
});
export type TrussPatch = z.output<typeof patchSchema>;

/** Of the bundle that is patched. */
export interface PatchedLayout {
  readonly modelDirectory: string;
  readonly packagesDirectory: string;
}

/** Path → the whole new content, or null: it is removed. A removed directory stands for all below it. */
export type FileChanges = Map<string, Uint8Array | null>;

/** @param encoded base64 of its JSON. Fails with `invalid_parameter`. */
export function readPatch(encoded: string): TrussPatch {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(encoded, "base64").toString("utf8"));
  } catch {
    throw invalid("patch must be the base64 of its JSON.");
  }
  return readStaged(value);
}

export function readStaged(value: unknown): TrussPatch {
  const parsed = patchSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`patch.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "it is not valid"}.`);
}

/** What takes a full push: the kind of change that no file of a bundle holds. */
export interface UnsupportedPatch {
  readonly unsupported: string;
}

/** What each kind changes besides config.yaml, whose whole text comes with every patch. */
const inConfig: ReadonlySet<string> = new Set([
  "config",
  "python_requirement",
  "environment_variable",
  "external_data",
]);

/** Adds a patch's changes to `changes`. */
export function addChanges(
  patch: TrussPatch,
  layout: PatchedLayout,
  changes: FileChanges,
): UnsupportedPatch | null {
  const directories: Readonly<Record<string, string>> = {
    model_code: layout.modelDirectory,
    package: layout.packagesDirectory,
  };
  for (const { type, body } of patch.patch_ops) {
    const directory = Object.hasOwn(directories, type) ? directories[type] : undefined;
    if (directory === undefined) {
      if (inConfig.has(type)) continue;
      return { unsupported: type };
    }
    const parsed = filePatch.safeParse(body);
    if (!parsed.success) throw invalid(`A ${type} patch is not valid.`);
    const { action, path, content, content_bytes: bytes } = parsed.data;
    const place = `${directory}/${path}`;
    if (action === "REMOVE") changes.set(place, null);
    else
      changes.set(
        place,
        typeof bytes === "string" ? Buffer.from(bytes, "base64") : Buffer.from(content ?? "", "utf8"),
      );
  }
  const { prev_signature: before, next_signature: after } = patch;
  if (after.config !== before.config) changes.set("config.yaml", Buffer.from(after.config, "utf8"));
  const file = requirementsFileOf(after.config);
  if (file === null) return null;
  // One that the config names from now on may be on the author's machine alone, whatever its hash was before.
  const isNamed = requirementsFileOf(before.config) !== file;
  const differs = (path: string) =>
    isNamed || after.content_hashes_by_path[path] !== before.content_hashes_by_path[path];
  if (isProjectFile(file)) {
    // Of these the command tells the dependencies alone, of which no file can be made again.
    const edited = [file, projectFileOf(file)].find(differs);
    return edited === undefined ? null : { unsupported: edited };
  }
  const isThere = typeof after.content_hashes_by_path[file] === "string";
  if (isThere && differs(file)) {
    const lines = after.requirements_file_requirements.map((line) => `${line}\n`);
    changes.set(file, Buffer.from(lines.join(""), "utf8"));
  }
  return null;
}

/** As the manifest spells its paths; null: the config names none, or is none, which its check will tell. */
function requirementsFileOf(config: string): string | null {
  const read = readYaml(config);
  const value = read.kind === "parsed" ? read.source.value : null;
  const written =
    typeof value === "object" && value !== null && "requirements_file" in value
      ? value.requirements_file
      : null;
  return typeof written === "string" && written !== "" ? cleanPath(written) : null;
}

/** Whether the command asked to keep the living object. */
export function asksForHotReload({ patch_ops: operations }: TrussPatch): boolean {
  return operations.some(({ body }) => filePatch.safeParse(body).data?.hot_reload === true);
}

/** The changes as the patch service takes them: what is removed must be there. */
export function operationsOf(changes: FileChanges, paths: readonly string[]) {
  const changed = [...changes].flatMap(([path, content]) => (content === null ? [] : [{ path, content }]));
  const kept = new Set(changed.map(({ path }) => path));
  const gone = [...changes].filter(([, content]) => content === null).map(([path]) => path);
  const removed = paths.filter(
    (path) => !kept.has(path) && gone.some((one) => path === one || path.startsWith(`${one}/`)),
  );
  return { changed, removed };
}

function invalid(message: string): ServingError {
  return new ServingError("invalid_parameter", message);
}
