// What identifies a version: its files, its config, the model's generation config and the weights' sha256, in one
// canonical text. Pure: no file is read and no hash is computed here.

import type { BundleConfig } from "./bundle-config.ts";
import type { TrussSettings } from "./truss-settings.ts";

export interface ManifestFile {
  /** Relative to the bundle's root, separated by "/". */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  /** Whether it may be run. Absent, not false: digests stay. */
  readonly executable?: true;
}

/** The code that answers a version's calls. */
export interface BundleCode {
  /** Which kind of code worker runs it. */
  readonly kind: "python" | "typescript";
  /** Of the bundle, such as `model/model.py`. */
  readonly file: string;
  /** The class in it. Always there for Python; absent for TypeScript unless the config names one. */
  readonly className?: string;
}

export interface Manifest {
  /** Of this shape; a change of the canonical text raises it. */
  readonly format: 1;
  /** Ascending by path, compared by UTF-16 code units. */
  readonly files: readonly ManifestFile[];
  readonly config: BundleConfig;
  /** generation_config.json, from wherever it was read; an empty object where there is none. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** Null until the weights are known (named or outside the bundle). */
  readonly weightsSha256: string | null;
  /** Of the draft models' weights, by name. Absent where there are none, and until they are known. */
  readonly draftWeightsSha256?: Readonly<Record<string, string>>;
  /** Of the adapters, in the same way. */
  readonly adapterSha256?: Readonly<Record<string, string>>;
  /** Absent for weights alone. */
  readonly code?: BundleCode;
  /** The surroundings of the code, or of a server of the author's. Absent for weights alone: digests stay. */
  readonly truss?: TrussSettings;
}

/** Paths must be unique; their order does not matter. */
export function createManifest(parts: Omit<Manifest, "format">): Manifest {
  const files = parts.files
    .map(({ path, size, sha256, executable }) => ({
      path,
      size,
      sha256,
      ...(executable === true ? { executable } : {}),
    }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  for (const [index, file] of files.entries()) {
    if (files[index + 1]?.path === file.path)
      throw new TypeError(`manifest: ${file.path} stands there twice`);
  }
  return {
    format: 1,
    files,
    config: parts.config,
    generationConfig: parts.generationConfig,
    weightsSha256: parts.weightsSha256,
    ...(parts.draftWeightsSha256 === undefined ? {} : { draftWeightsSha256: parts.draftWeightsSha256 }),
    ...(parts.adapterSha256 === undefined ? {} : { adapterSha256: parts.adapterSha256 }),
    ...(parts.code === undefined ? {} : { code: parts.code }),
    ...(parts.truss === undefined ? {} : { truss: parts.truss }),
  };
}

/** The text whose sha256 is the version's digest (`manifestDigest`). */
export function canonicalManifest(manifest: Manifest): string {
  return `corral-bundle-${manifest.format}\n${canonicalJson(manifest)}`;
}

/**
 * JSON with the keys of every object in ascending order and no spaces: equal values give equal texts, whatever
 * order their keys were written in. Undefined members are left out, as JSON does.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  const text = JSON.stringify(value);
  if (text === undefined || (typeof value === "number" && !Number.isFinite(value))) {
    throw new TypeError(`canonicalJson: ${String(value)} is not a JSON value`);
  }
  return text;
}
