// What a client gets to send one archive: keys that are derived, not stored. Whoever has the secret of this
// installation can make them again from the upload's id; nobody else can.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, link, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface UploadKeys {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly token: string;
}

export function keysOf(master: Buffer, uploadId: string): UploadKeys {
  const derive = (purpose: string) => createHmac("sha256", master).update(`${purpose}:${uploadId}`).digest();
  return {
    accessKey: uploadId,
    secretKey: derive("secret").toString("base64url").slice(0, 40),
    token: derive("token").toString("base64url"),
  };
}

export function isToken(keys: UploadKeys, given: string | undefined): boolean {
  const [expected, sent] = [Buffer.from(keys.token), Buffer.from(given ?? "")];
  return expected.length === sent.length && timingSafeEqual(expected, sent);
}

/** 32 bytes in `directory`, made at the first start: credentials outlive a restart in the middle of an upload. */
export async function readUploadSecret(directory: string): Promise<Buffer> {
  const path = join(directory, "upload-secret");
  const there = await readFile(path).catch(() => null);
  if (there?.length === 32) return there;
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(fresh, randomBytes(32), { mode: 0o600, flag: "wx" });
  // Another process may have been first: its secret stands.
  await link(fresh, path).catch(() => undefined);
  await unlink(fresh);
  await chmod(path, 0o600);
  return await readFile(path);
}
