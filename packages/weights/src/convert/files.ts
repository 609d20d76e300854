// What conversion reads of a directory besides weights: small files, with errors that name them. Knows no model.

import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Vocabularies of 256,000 entries with their merges take 35 MB. */
const maxTextBytes = 256 << 20;

export function unreadable(path: string, reason: string, cause?: unknown): ServingError {
  return new ServingError("weights_unreadable", `${path} cannot be converted: ${reason}.`, { cause });
}

export function unsupported(path: string, reason: string): ServingError {
  return new ServingError("weights_unsupported", `${path} cannot be converted: ${reason}.`);
}

/** The bytes of a file, null where there is none. */
export async function readBytes(directory: string, name: string): Promise<Buffer | null> {
  const path = join(directory, name);
  try {
    const { size } = await stat(path);
    if (size > maxTextBytes) throw unreadable(path, `it has ${size} bytes, over ${maxTextBytes}`);
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw errorCode(error) === null
      ? error
      : unreadable(path, `it cannot be read (${errorCode(error)})`, error);
  }
}

/** With ends of lines as Python reads them, null where there is no file. */
export async function readText(directory: string, name: string): Promise<string | null> {
  const bytes = await readBytes(directory, name);
  if (bytes === null) return null;
  return decode(bytes, join(directory, name)).replaceAll(/\r\n?/g, "\n");
}

/** A file with one JSON object, null where there is none. */
export async function readJson(directory: string, name: string): Promise<JsonObject | null> {
  const bytes = await readBytes(directory, name);
  if (bytes === null) return null;
  const path = join(directory, name);
  let value: unknown;
  try {
    value = JSON.parse(decode(bytes, path));
  } catch (cause) {
    throw unreadable(path, "it is not valid JSON: fetch it again", cause);
  }
  if (!isObject(value)) throw unreadable(path, "it holds no JSON object: fetch it again");
  return value;
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw unreadable(path, "it is not valid UTF-8: fetch it again", cause);
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/** Refuses what is no directory. */
export async function checkDirectory(directory: string): Promise<void> {
  const info = await stat(directory).catch((cause: unknown) => {
    throw new ServingError("weights_missing", `There is no directory ${directory}.`, { cause });
  });
  if (!info.isDirectory()) throw unreadable(directory, "it is not a directory");
}

/** Makes the name of a renamed file last. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
