// A hub on loopback: the part of the Hugging Face hub's HTTP that its clients use to look at a model and to fetch it, over
// directories of this machine, with faults on demand. huggingface_hub (Python) and @huggingface/hub work against it.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { answerApi } from "./fake-api.ts";
import { sendRange, takeFault, type Fault } from "./fake-faults.ts";
import { denial, refuse, unknownRepository } from "./fake-refusals.ts";
import {
  readFakeRepository,
  resolveFake,
  type FakeFile,
  type FakeRepository,
  type FakeRepositoryOptions,
} from "./fake-repositories.ts";

export interface FakeHubOptions {
  /** By `owner/name`; a text is its directory. */
  readonly repositories: Readonly<Record<string, string | FakeRepositoryOptions>>;
  readonly faults?: Fault[];
  /** Whether files in LFS come from another origin, as on the hub; default true. */
  readonly cdn?: boolean;
  /** Entries in one page of a listing; default 1000. */
  readonly pageSize?: number;
  /** Of the hub; default: any free one. */
  readonly port?: number;
  /** Told when an answer has ended. */
  readonly onRequest?: (request: LoggedRequest) => void;
}

export interface LoggedRequest {
  readonly server: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  status: number;
}

export interface FakeHub {
  /** For `HF_ENDPOINT`. */
  readonly url: string;
  readonly cdnUrl: string;
  readonly requests: LoggedRequest[];
  /** May be changed at any time. */
  readonly faults: Fault[];
  readonly repositories: ReadonlyMap<string, FakeRepository>;
  /** All bytes that were written to connections, headers included. */
  wireBytes(): number;
  /** The token is unknown from now on. */
  revoke(token: string): void;
  close(): Promise<void>;
}

export async function startFakeHub(options: FakeHubOptions): Promise<FakeHub> {
  const repositories = new Map(
    Object.entries(options.repositories).map(([name, given]) => [
      name,
      readFakeRepository(name, typeof given === "string" ? { directory: given } : given),
    ]),
  );
  const faults = options.faults ?? [];
  const requests: LoggedRequest[] = [];
  const revoked = new Set<string>();
  const hubServer = countedServer();
  const cdnServer = countedServer();
  await Promise.all([listen(hubServer.server, options.port ?? 0), listen(cdnServer.server, 0)]);
  const url = addressOf(hubServer.server);
  const cdnUrl = addressOf(cdnServer.server);

  const log = (server: "hub" | "cdn", request: IncomingMessage, response: ServerResponse): LoggedRequest => {
    const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
    const entry: LoggedRequest = {
      server,
      method: request.method ?? "GET",
      path: request.url ?? "/",
      headers: Object.fromEntries(headers),
      status: 0,
    };
    requests.push(entry);
    response.once("close", () => {
      entry.status = response.statusCode;
      options.onRequest?.(entry);
    });
    return entry;
  };

  hubServer.server.on("request", (request, response) => {
    const entry = log("hub", request, response);
    const path = new URL(entry.path, url);
    const fault = takeFault(faults, "hub", decodeURIComponent(path.pathname));
    fault?.before?.();
    if (refuseByFault(response, fault)) return;
    const token = /^Bearer (.+)$/.exec(entry.headers["authorization"] ?? "")?.[1] ?? null;
    const isListed = [...repositories.values()].some(({ access }) => access?.includes(token ?? "") === true);
    if (token !== null && (revoked.has(token) || !(token.startsWith("hf_") || isListed))) {
      return refuse(response, 401, null, "Invalid credentials in Authorization header");
    }
    const cached = /^\/api\/resolve-cache\/models\/(.+?)\/([0-9a-f]{40})\/(.+)$/.exec(path.pathname);
    if (cached !== null) {
      const file = repositories
        .get(cached[1] ?? "")
        ?.commits.get(cached[2] ?? "")
        ?.get(decodeURIComponent(cached[3] ?? ""));
      if (file === undefined) return refuse(response, 404, "EntryNotFound", "Entry not found");
      return sendFile(request, response, file, { fault, etag: `"${file.gitOid}"`, commit: cached[2] ?? "" });
    }
    if (path.pathname.startsWith("/api/")) {
      return answerApi(path, request, response, {
        repositories,
        token,
        url,
        pageSize: options.pageSize ?? 1000,
      });
    }
    resolveFile(path, request, response, { token, fault });
  });

  const resolveFile = (
    path: URL,
    request: IncomingMessage,
    response: ServerResponse,
    { token, fault }: { token: string | null; fault: Fault | null },
  ): void => {
    const [, name = "", revision = "", encoded = ""] =
      /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(path.pathname) ?? [];
    const repository = repositories.get(name);
    const denied = denial(repository, token, true);
    if (repository === undefined || denied !== null)
      return refuse(response, ...(denied ?? unknownRepository(token)));
    const commit = resolveFake(repository, decodeURIComponent(revision));
    if (commit === null) return refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    const filePath = decodeURIComponent(encoded);
    const file = repository.commits.get(commit)?.get(filePath);
    response.setHeader("x-repo-commit", commit);
    if (file === undefined) return refuse(response, 404, "EntryNotFound", "Entry not found");
    response.setHeader("accept-ranges", "bytes");
    response.setHeader("x-linked-size", file.sizeBytes);
    if (file.sha256 === null) {
      response.setHeader("etag", `"${file.gitOid}"`);
      const target = fault?.redirectTo ?? `/api/resolve-cache/models/${name}/${commit}/${encoded}`;
      response.writeHead(307, { location: target }).end();
      return;
    }
    response.setHeader("x-linked-etag", `"${file.sha256}"`);
    if (options.cdn === false) {
      return sendFile(request, response, file, { fault, etag: `"${file.sha256}"`, commit });
    }
    const target = fault?.redirectTo ?? `${cdnUrl}/${name}/${commit}/${encoded}?signature=fake`;
    response.writeHead(302, { location: target }).end();
  };

  cdnServer.server.on("request", (request, response) => {
    const entry = log("cdn", request, response);
    const path = decodeURIComponent(new URL(entry.path, cdnUrl).pathname);
    const fault = takeFault(faults, "cdn", path);
    fault?.before?.();
    if (refuseByFault(response, fault)) return;
    // A signed address of a store refuses a second way of authorization.
    if (entry.headers["authorization"] !== undefined)
      return refuse(response, 400, null, "Only one auth mechanism allowed");
    const [, name = "", commit = "", filePath = ""] = /^\/(.+?)\/([0-9a-f]{40})\/(.+)$/.exec(path) ?? [];
    const file = repositories.get(name)?.commits.get(commit)?.get(filePath);
    if (file === undefined) return refuse(response, 403, null, "No such key");
    sendFile(request, response, file, { fault, etag: `"cdn-${file.sha256?.slice(0, 16)}"`, commit: null });
  });

  return {
    url,
    cdnUrl,
    requests,
    faults,
    repositories,
    wireBytes: () => hubServer.wireBytes() + cdnServer.wireBytes(),
    revoke: (token) => void revoked.add(token),
    close: async () => {
      await Promise.all([close(hubServer.server), close(cdnServer.server)]);
    },
  };
}

function refuseByFault(response: ServerResponse, fault: Fault | null): boolean {
  if (fault?.text !== undefined) {
    response.writeHead(200, { "content-type": "text/html" }).end(fault.text);
    return true;
  }
  if (fault?.status === undefined) return false;
  if (fault.retryAfterSeconds !== undefined) response.setHeader("retry-after", fault.retryAfterSeconds);
  refuse(response, fault.status, null, "as the test asked");
  return true;
}

interface Content {
  readonly fault: Fault | null;
  readonly etag: string;
  readonly commit: string | null;
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: FakeFile,
  content: Content,
): void {
  const { fault, etag, commit } = content;
  const size = file.sizeBytes + (fault?.lengthOffset ?? 0);
  const ifRange = request.headers["if-range"];
  const usable = fault?.ignoreRange !== true && (ifRange === undefined || ifRange === etag);
  const asked = usable ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") : null;
  const start = Number(asked?.[1] ?? 0);
  const end = Math.min(asked?.[2] ? Number(asked[2]) + 1 : file.sizeBytes, file.sizeBytes);
  response.setHeader("etag", etag);
  response.setHeader("accept-ranges", "bytes");
  if (commit !== null) response.setHeader("x-repo-commit", commit);
  if (asked !== null && start >= end) {
    response.writeHead(416, { "content-range": `bytes */${size}` }).end();
    return;
  }
  if (asked !== null) {
    response.statusCode = 206;
    response.setHeader("content-range", `bytes ${start}-${end - 1}/${size}`);
  }
  // An answer that ends early by intent must not contradict its own length.
  if (fault?.endAfterBytes === undefined)
    response.setHeader("content-length", asked === null ? size : end - start);
  for (const [name, value] of Object.entries(fault?.headers ?? {})) response.setHeader(name, value);
  if (request.method === "HEAD") return void response.end();
  void sendRange(response, { fullPath: file.fullPath, start, end }, fault);
}

function countedServer(): { server: Server; wireBytes: () => number } {
  const server = createServer();
  const open = new Set<Socket>();
  let closedBytes = 0;
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      closedBytes += socket.bytesWritten;
    });
  });
  return {
    server,
    wireBytes: () => [...open].reduce((sum, socket) => sum + socket.bytesWritten, closedBytes),
  };
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));

const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => void server.close(() => resolve()));
}
