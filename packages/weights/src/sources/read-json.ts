// Small JSON files of other programs. Trusts neither their size nor their shape.

import { open } from "node:fs/promises";
import { unreadable } from "./source.ts";

const mostBytes = 16 << 20;

/** The object in a file; null where there is no such file. Fails with `weights_unreadable`. */
export async function readJsonObject(path: string): Promise<Readonly<Record<string, unknown>> | null> {
  const file = await open(path, "r").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return null;
    throw unreadable(path, "it cannot be opened", error);
  });
  if (file === null) return null;
  try {
    const info = await file.stat();
    if (!info.isFile()) throw unreadable(path, "it is not a regular file");
    if (info.size > mostBytes)
      throw unreadable(path, `it has ${info.size} bytes, far more than such a file needs`);
    const text = await file.readFile("utf8");
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw unreadable(path, `it is not valid JSON (${cause instanceof Error ? cause.message : "?"})`, cause);
    }
    if (!isObject(value)) throw unreadable(path, "it must hold a JSON object");
    return value;
  } finally {
    await file.close();
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
