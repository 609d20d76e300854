// What the real Truss server answered for the small models of test-data/truss, and the files of those models.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../../../test-data/truss/", import.meta.url));

export interface TrussCall {
  readonly model: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly body_base64?: string;
  readonly while_loading?: boolean;
  readonly ends?: boolean;
}

export interface TrussAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly body_base64?: string;
  readonly broken_off?: boolean;
}

export interface TrussModel {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

export interface TrussRecord {
  readonly origin: Readonly<Record<string, string>>;
  readonly calls: readonly { readonly call: TrussCall; readonly answer: TrussAnswer }[];
}

export function trussRecord(): TrussRecord {
  return JSON.parse(readFileSync(join(folder, "server.json"), "utf8")) as TrussRecord;
}

export function trussModel(name: string): TrussModel {
  const cases = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")) as {
    readonly models: Readonly<Record<string, TrussModel>>;
  };
  return cases.models[name] ?? {};
}

/** Path in the bundle → text. */
export function trussFiles(name: string): Record<string, string> {
  const files: Record<string, string> = { "model/__init__.py": "", ...trussModel(name).files };
  for (const file of readdirSync(join(folder, "models", name)))
    files[`model/${file}`] = readFileSync(join(folder, "models", name, file), "utf8");
  return files;
}

export function callBody({ body, body_base64 }: Pick<TrussCall, "body" | "body_base64">): Buffer {
  return body_base64 === undefined ? Buffer.from(body ?? "") : Buffer.from(body_base64, "base64");
}
