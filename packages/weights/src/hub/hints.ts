// "Did you mean": names near one that the hub does not know. A hint that cannot be had is left out.

import { ServingError } from "@corral/contract";
import { hubFetch, type HubConnection } from "./listing.ts";

const shown = 4;

/** The error with the names of what could have been meant, where the hub tells them at once. */
export async function withHint(
  error: unknown,
  repository: string,
  revision: string,
  connection: HubConnection,
): Promise<unknown> {
  if (!(error instanceof ServingError) || error.code !== "repository_not_found") return error;
  const quick: HubConnection = { ...connection, retry: { ...connection.retry, tries: 1 } };
  const isRevision = error.message.includes(`no revision ${revision}`);
  const names = await (isRevision ? references(repository, quick) : similarNames(repository, quick)).catch(
    (failure: unknown) => {
      connection.signal.throwIfAborted();
      if (failure instanceof ServingError) return [];
      throw failure;
    },
  );
  if (names.length === 0) return error;
  const what = isRevision ? "It has" : "Did you mean";
  return new ServingError(
    error.code,
    `${error.message} ${what} ${names.slice(0, shown).join(", ")}${isRevision ? "." : "?"}`,
    {
      cause: error,
    },
  );
}

/** Branches and tags. */
async function references(repository: string, connection: HubConnection): Promise<string[]> {
  const address = `${connection.settings.endpoint}/api/models/${repository}/refs`;
  const response = await hubFetch({ repository }, connection)(address);
  const body: unknown = await response.json().catch(() => null);
  const lists = isRecord(body) ? [body["branches"], body["tags"]] : [];
  return lists
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .flatMap((entry: unknown) => {
      const name = isRecord(entry) ? entry["name"] : null;
      return typeof name === "string" ? [name] : [];
    });
}

async function similarNames(repository: string, connection: HubConnection): Promise<string[]> {
  const { listModels } = await import("@huggingface/hub");
  const names: string[] = [];
  const models = listModels({
    search: { query: repository.split("/").at(-1) ?? repository },
    limit: shown,
    hubUrl: connection.settings.endpoint,
    fetch: hubFetch({ repository: null }, connection),
  });
  for await (const model of models) names.push(model.name);
  return names;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
