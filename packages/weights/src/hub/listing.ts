// What a repository holds at a commit, as the hub tells it.

import { ServingError } from "@corral/contract";
import type { Subject } from "./failures.ts";
import { getFromHub, type HttpOptions } from "./http.ts";
import { commitPattern, isRelativePath } from "./names.ts";
import { withRetries, type RetryRule } from "./retry.ts";

/** The name of a file's content: what git or LFS calls it, and what the cache calls its blob. */
export interface ContentDigest {
  readonly kind: "sha256" | "git-sha1";
  readonly hex: string;
}

export interface RepositoryFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: ContentDigest;
  /** The git object of a file in LFS (of its pointer), for the listing's own file. */
  readonly gitOid: string;
  readonly xetHash?: string;
}

export interface RepositoryLicense {
  readonly id: string;
  readonly name: string | null;
  readonly link: string | null;
}

export interface RepositoryDescription {
  readonly repository: string;
  readonly commit: string;
  readonly files: readonly RepositoryFile[];
  /** How access is given to who asks for it; false: open. */
  readonly gated: false | "auto" | "manual";
  readonly private: boolean;
  /** As the model card says. */
  readonly license: RepositoryLicense | null;
}

export interface HubConnection extends HttpOptions {
  readonly retry: RetryRule;
}

/**
 * The commit that a revision stands for, with what the hub knows of the repository. Fails with
 * `repository_not_found`, `repository_gated` or `hub_unavailable`.
 */
export async function describeRevision(
  repository: string,
  revision: string,
  connection: HubConnection,
): Promise<Omit<RepositoryDescription, "files">> {
  const { modelInfo } = await import("@huggingface/hub");
  const info = await modelInfo({
    name: repository,
    revision,
    additionalFields: ["sha", "cardData"],
    hubUrl: connection.settings.endpoint,
    fetch: hubFetch({ repository, revision }, connection),
  }).catch((error: unknown) => rethrowUnlessFormat(error, connection));
  if (typeof info.sha !== "string" || !commitPattern.test(info.sha)) {
    throw strange(connection, `no commit for ${repository}`);
  }
  const card: unknown = info.cardData;
  return {
    repository,
    commit: info.sha,
    gated: info.gated === "auto" || info.gated === "manual" ? info.gated : false,
    private: info.private === true,
    license: readLicense(card),
  };
}

/** The hub gives a thousand entries a page, and advises at most a hundred thousand files. */
const mostPages = 1_000;
const mostEntries = 500_000;

/** All files of a commit. Fails as `describeRevision`, and for names that would leave their folder. */
export async function listCommit(
  repository: string,
  commit: string,
  connection: HubConnection,
): Promise<RepositoryFile[]> {
  const { listFiles } = await import("@huggingface/hub");
  const files: RepositoryFile[] = [];
  const ask = hubFetch({ repository, revision: commit }, connection);
  const asked = new Set<string>();
  let entryCount = 0;
  const entries = listFiles({
    repo: repository,
    recursive: true,
    revision: commit,
    hubUrl: connection.settings.endpoint,
    // Each page names the next one, and a mirror may name the same for ever.
    fetch: async (input, init) => {
      const address = input instanceof Request ? input.url : String(input);
      if (asked.has(address) || asked.size >= mostPages)
        throw strange(connection, `a list of ${repository} that does not end`);
      asked.add(address);
      return await ask(input, init);
    },
  });
  try {
    for await (const entry of entries) {
      entryCount += 1;
      if (entryCount > mostEntries)
        throw strange(connection, `a list of more than ${mostEntries} files of ${repository}`);
      if (entry.type !== "file") continue;
      const file = toRepositoryFile(entry);
      if (file === null)
        throw strange(
          connection,
          `the file ${JSON.stringify(entry.path)} of ${repository} without a usable name, size or digest`,
        );
      files.push(file);
    }
  } catch (error) {
    rethrowUnlessFormat(error, connection);
  }
  return files;
}

interface TreeEntry {
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
  readonly xetHash?: string;
}

function toRepositoryFile(entry: TreeEntry): RepositoryFile | null {
  const { path, oid = "", lfs, xetHash } = entry;
  const sizeBytes = lfs?.size ?? entry.size;
  const digest: ContentDigest =
    lfs === undefined ? { kind: "git-sha1", hex: oid } : { kind: "sha256", hex: lfs.oid };
  if (!isRelativePath(path) || !isSize(sizeBytes) || !isDigest(digest)) return null;
  return { path, sizeBytes, digest, gitOid: oid, ...(xetHash === undefined ? {} : { xetHash }) };
}

export function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function isDigest({ kind, hex }: ContentDigest): boolean {
  return typeof hex === "string" && (kind === "sha256" ? /^[0-9a-f]{64}$/ : commitPattern).test(hex);
}

function readLicense(card: unknown): RepositoryLicense | null {
  if (typeof card !== "object" || card === null) return null;
  const text = (name: string): string | null => {
    const value: unknown = (card as Record<string, unknown>)[name];
    return typeof value === "string" && value !== "" ? value : null;
  };
  const id = text("license");
  return id === null ? null : { id, name: text("license_name"), link: text("license_link") };
}

/**
 * `fetch` for the hub's own library: the same redirects, refusals and retries as everything else. It gives whole
 * answers only, so the library never sees an error of the hub.
 */
export function hubFetch(subject: Subject, connection: HubConnection): typeof fetch {
  return async (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    const headers = Object.fromEntries(new Headers(init?.headers));
    return withRetries(
      async () => {
        const answer = await getFromHub(address, { headers, subject }, connection);
        const bytes = await readBounded(answer.body, connection);
        return new Response(bytes, { status: answer.status, headers: answer.headers });
      },
      connection.retry,
      connection.signal,
    );
  };
}

/** A list of a hundred thousand files is well below. */
const longestAnswerBytes = 64 << 20;

async function readBounded(
  body: AsyncIterable<Uint8Array>,
  connection: HubConnection,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > longestAnswerBytes)
      throw strange(connection, `a list of more than ${longestAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What the library throws itself is about a body that it could not read. */
function rethrowUnlessFormat(error: unknown, connection: HubConnection): never {
  connection.signal.throwIfAborted();
  if (error instanceof ServingError) throw error;
  throw strange(connection, "an answer that cannot be read", error);
}

function strange(connection: HubConnection, what: string, cause?: unknown): ServingError {
  return new ServingError("hub_unavailable", `${connection.settings.endpoint} gave ${what}.`, { cause });
}
