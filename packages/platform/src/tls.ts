// The server's certificate: two PEM files, read at the start and again while the server runs, because a certificate
// is renewed every few weeks and a model that is loaded must not be ended for that.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { ServingError } from "@corral/contract";
import type { Logger } from "pino";

export interface TlsPaths {
  /** PEM: the certificate, then those between it and its root. */
  readonly cert: string;
  /** PEM, without a passphrase. */
  readonly key: string;
}

export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Fails with `invalid_parameter`, naming the setting and its file, where the two cannot serve. */
export async function readTls({ cert, key }: TlsPaths): Promise<TlsFiles> {
  const files = {
    cert: await readSetting("CORRAL_TLS_CERT", cert),
    key: await readSetting("CORRAL_TLS_KEY", key),
  };
  try {
    createSecureContext(files);
    return files;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError(
      "invalid_parameter",
      `CORRAL_TLS_CERT (${cert}) and CORRAL_TLS_KEY (${key}) do not go together: ${reason}. They must be PEM, the key without a passphrase.`,
      { cause },
    );
  }
}

export interface FollowTlsOptions {
  readonly paths: TlsPaths;
  /** What is served now. */
  readonly files: TlsFiles;
  /** Serves new connections with these. */
  readonly use: (files: TlsFiles) => void;
  readonly everyMs: number;
  readonly log: Logger;
}

/** Looks for a renewed certificate again and again. What cannot serve is told once, and the last one stays. */
export function followTls({ paths, files, use, everyMs, log }: FollowTlsOptions): Disposable {
  let served = digestOf(files);
  let problem = "";
  // One look at a time: an older one that ends later would tell of what is not so any more.
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    const looked = readTls(paths).then(
      (found) => {
        problem = "";
        const digest = digestOf(found);
        if (digest === served) return;
        served = digest;
        use(found);
        log.info({ cert: paths.cert }, "a new certificate is served");
      },
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== problem) log.warn(`The certificate stays as it is. ${message}`);
        problem = message;
      },
    );
    void looked.finally(() => (isLooking = false));
  }, everyMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function readSetting(name: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    throw new ServingError(
      "invalid_parameter",
      `${name} is ${JSON.stringify(path)}, which cannot be read${code}; it must be the path of a PEM file.`,
      { cause },
    );
  }
}

function digestOf({ cert, key }: TlsFiles): string {
  return createHash("sha256").update(cert).update("\0").update(key).digest("hex");
}
