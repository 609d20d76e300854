// The fake hub's JSON: a model, its tree in pages, its branches and tags, a search by name.

import type { IncomingMessage, ServerResponse } from "node:http";
import { denial, refuse } from "./fake-refusals.ts";
import { resolveFake, type FakeFile, type FakeRepository } from "./fake-repositories.ts";

export interface ApiContext {
  readonly repositories: ReadonlyMap<string, FakeRepository>;
  readonly token: string | null;
  readonly url: string;
  readonly pageSize: number;
}

export function answerApi(
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  context: ApiContext,
): void {
  const { repositories, token } = context;
  if (url.pathname === "/api/models") return search(url, response, context);
  const model =
    /^\/api\/models\/([^/]+\/[^/]+|[^/]+)(?:\/(revision|tree|refs|paths-info)(?:\/([^/]+))?)?$/.exec(
      url.pathname,
    );
  if (model === null || (request.method !== "GET" && request.method !== "HEAD")) {
    return refuse(response, 404, null, "Sorry, we can't find the page you are looking for.");
  }
  const [, name = "", what = "revision", revision = "main"] = model;
  const repository = repositories.get(name);
  const denied = denial(repository, token, false);
  if (repository === undefined || denied !== null)
    return refuse(response, ...(denied ?? [404, "RepoNotFound", ""]));
  if (what === "refs") return send(response, references(repository));
  const wanted = decodeURIComponent(revision);
  const commit = resolveFake(repository, wanted === "HEAD" ? "main" : wanted);
  const files = commit === null ? undefined : repository.commits.get(commit);
  if (commit === null || files === undefined) {
    return refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${wanted}`);
  }
  if (what === "revision") return send(response, modelInfo(repository, commit, files));
  sendTree(url, response, [...files.values()], context);
}

function modelInfo(
  repository: FakeRepository,
  commit: string,
  files: ReadonlyMap<string, FakeFile>,
): unknown {
  return {
    _id: commit.slice(0, 24),
    id: repository.name,
    modelId: repository.name,
    author: repository.name.split("/")[0],
    sha: commit,
    lastModified: "2024-04-17T08:12:19.000Z",
    private: repository.private ?? false,
    gated: repository.gated ?? false,
    disabled: false,
    downloads: 1,
    likes: 1,
    tags: [],
    ...(repository.license === undefined ? {} : { cardData: { license: repository.license } }),
    siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
  };
}

function references(repository: FakeRepository): unknown {
  const entries = [...repository.references].map(([name, targetCommit]) => ({
    name,
    ref: `refs/heads/${name}`,
    targetCommit,
  }));
  return { branches: entries, tags: [], converts: [] };
}

function search(url: URL, response: ServerResponse, context: ApiContext): void {
  const query = (url.searchParams.get("search") ?? "").toLowerCase();
  const found = [...context.repositories.values()].filter(
    (repository) =>
      denial(repository, context.token, false) === null && repository.name.toLowerCase().includes(query),
  );
  const items = found.map((repository) => {
    const commit = repository.references.get("main") ?? "";
    return modelInfo(repository, commit, repository.commits.get(commit) ?? new Map());
  });
  send(response, items.slice(0, Number(url.searchParams.get("limit") ?? 1000)));
}

/** Folders stand in the listing too, as on the hub. */
function sendTree(url: URL, response: ServerResponse, files: readonly FakeFile[], context: ApiContext): void {
  const folders = new Set(files.flatMap((file) => parentsOf(file.path)));
  const entries = [
    ...[...folders].map((path) => ({ type: "directory", oid: "0".repeat(40), size: 0, path })),
    ...files.map((file) => ({
      type: "file",
      oid: file.gitOid,
      size: file.sizeBytes,
      ...(file.sha256 === null ? {} : { lfs: { oid: file.sha256, size: file.sizeBytes, pointerSize: 134 } }),
      path: file.path,
    })),
  ];
  const from = Number(url.searchParams.get("cursor") ?? 0);
  const page = entries.slice(from, from + context.pageSize);
  if (from + context.pageSize < entries.length) {
    const next = new URL(url.pathname + url.search, context.url);
    next.searchParams.set("cursor", String(from + context.pageSize));
    response.setHeader("link", `<${next.href}>; rel="next"`);
  }
  send(response, page);
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function send(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(value));
}
