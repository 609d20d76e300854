// The Truss command as the platform's tests play it: its calls in their order and spelling, without the command.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inspectBundle, packBundle } from "@corral/bundle";
import type { TestPlatform } from "../../../testing/start-test-platform.ts";
import { signed, type ToSign, type UploadAnswer } from "./sign.ts";

type Files = Readonly<Record<string, string>>;

/** @param ignored files that go in although the directory's rules leave them out */
export async function archiveOf(files: Files, ignored: Files = {}): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "corral-truss-"));
  try {
    for (const [path, text] of Object.entries({ ...files, ...ignored })) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text);
    }
    const { files: found } = await inspectBundle(directory);
    const more = Object.entries(ignored).map(([path, text]) => ({ path, size: Buffer.byteLength(text) }));
    return Buffer.concat(await packBundle(directory, [...found, ...more]).toArray());
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A model whose code does not matter: `mark` makes another version of it. */
export function modelFiles(mark = "1"): Record<string, string> {
  return {
    "config.yaml": "model_name: Ärger Bot\n",
    "model/model.ts": `export const predict = () => ${JSON.stringify(mark)};\n`,
  };
}

export interface GraphQlAnswer {
  readonly data: Readonly<Record<string, Record<string, unknown>>> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code: string } }[];
}

export async function ask(
  platform: TestPlatform,
  query: string,
  { variables = {}, key }: { variables?: object; key?: string } = {},
): Promise<GraphQlAnswer> {
  const headers = key === undefined ? {} : { authorization: `Api-Key ${key}` };
  const response = await platform.post("/graphql/", { query, variables }, headers);
  return (await response.json()) as GraphQlAnswer;
}

const credentialsQuery =
  "{ model_s3_upload_credentials { s3_bucket s3_key aws_access_key_id aws_secret_access_key aws_session_token } }";

export async function credentials(platform: TestPlatform, key?: string): Promise<UploadAnswer> {
  const { data, errors } = await ask(platform, credentialsQuery, key === undefined ? {} : { key });
  if (data === null) throw new Error(errors?.[0]?.message);
  return data["model_s3_upload_credentials"] as unknown as UploadAnswer;
}

export function objectUrl({ endpoint_url, s3_bucket, s3_key }: UploadAnswer, query = ""): string {
  return `${endpoint_url}/${s3_bucket}/${s3_key}${query}`;
}

export function send(keys: UploadAnswer, request: ToSign): Promise<Response> {
  return fetch(request.url, {
    method: request.method,
    headers: signed(keys, request),
    ...(request.body === undefined ? {} : { body: new Uint8Array(request.body) }),
  });
}

/** The whole of `truss push` from the upload on. */
export async function push(
  platform: TestPlatform,
  mutation: (s3Key: string) => string,
  files: Files = modelFiles(),
  key?: string,
  ignored: Files = {},
): Promise<GraphQlAnswer> {
  const keys = await credentials(platform, key);
  const sent = await send(keys, {
    method: "PUT",
    url: objectUrl(keys),
    body: await archiveOf(files, ignored),
  });
  if (!sent.ok) throw new Error(await sent.text());
  return await ask(platform, mutation(keys.s3_key), key === undefined ? {} : { key });
}

export const createModel =
  (name: string, more = "") =>
  (s3Key: string) =>
    `mutation { create_model_from_truss(name: "${name}" s3_key: "${s3Key}" config: "" semver_bump: "MINOR" ${more}) { model_version { id } } }`;

export const createVersion =
  (modelId: string, more = "") =>
  (s3Key: string) =>
    `mutation { create_model_version_from_truss(model_id: "${modelId}" s3_key: "${s3Key}" config: "" semver_bump: "MINOR" ${more}) { model_version { id } } }`;

export const createDraft = (name: string) => (s3Key: string) =>
  `mutation { deploy_draft_truss(name: "${name}" s3_key: "${s3Key}" config: "") { model_version { id } } }`;
