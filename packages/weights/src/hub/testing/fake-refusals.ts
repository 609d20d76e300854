// What the fake hub does not give to whom, and how it says so: in the headers that the hub's clients read.

import type { ServerResponse } from "node:http";
import type { FakeRepository } from "./fake-repositories.ts";

export type Refusal = readonly [status: number, code: string | null, message: string];

/** Null: the token may read it. Looking at a gated repository is allowed, its files are not. */
export function denial(
  repository: FakeRepository | undefined,
  token: string | null,
  content: boolean,
): Refusal | null {
  if (repository === undefined) return unknownRepository(token);
  const granted = token !== null && repository.access?.includes(token) === true;
  if (repository.private === true && !granted) return unknownRepository(token);
  if (repository.gated === undefined || granted || !content) return null;
  return token === null
    ? [
        401,
        "GatedRepo",
        `Access to model ${repository.name} is restricted. You must have access to it and be authenticated to access it. Please log in.`,
      ]
    : [
        403,
        "GatedRepo",
        `Access to model ${repository.name} is restricted and you are not in the authorized list.`,
      ];
}

/** Someone unknown is not told whether it exists. */
export function unknownRepository(token: string | null): Refusal {
  return token === null
    ? [401, "RepoNotFound", "Repository not found"]
    : [404, "RepoNotFound", "Repository not found"];
}

export function refuse(response: ServerResponse, status: number, code: string | null, message: string): void {
  if (code !== null) response.setHeader("x-error-code", code);
  response.setHeader("x-error-message", message);
  response
    .writeHead(status, { "content-type": "application/json; charset=utf-8" })
    .end(JSON.stringify({ error: message }));
}
