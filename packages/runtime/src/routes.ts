// The replica's HTTP: which request goes where, who may ask, and the upgrade that opens the control channel.
// Knows nothing of what a call means.

import { controlPath, controlProtocol, errorAnswer, ServingError } from "@corral/contract";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import { trussPrefix } from "./truss-server/truss-calls.ts";

export interface Health {
  readonly status: "loading" | "ready" | "draining" | "stopped";
  /** Fraction of the weights that is loaded. */
  readonly load_progress: number;
}

export type AnswerRequest = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export type OpenSocket = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** The only path of a websocket. */
export const websocketPath = `${trussPrefix}/v1/websocket`;

export interface Routes {
  /** Needed on every request, or null where the address itself is protected. */
  readonly token: string | null;
  health(): Health;
  /** By path. Each answers every failure itself. */
  readonly calls: Readonly<Record<string, AnswerRequest>>;
  /** Paths that begin with `/sync/`, by whatever method. */
  readonly truss: AnswerRequest;
  readonly openSocket: OpenSocket;
  openControlChannel(socket: Duplex, head: Buffer): void;
}

/** A server that does not listen yet. */
export function createHttpServer(routes: Routes): Server {
  const token = routes.token === null ? null : Buffer.from(routes.token);
  const server = createServer((request, response) => route(routes, token, request, response));
  // The gateway keeps its connections for reuse; one that was closed here at the wrong moment would fail a call.
  server.keepAliveTimeout = 0;
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    upgrade(routes, token, request, socket, head),
  );
  return server;
}

function route(
  routes: Routes,
  token: Buffer | null,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const path = pathOf(request);
  const call = Object.hasOwn(routes.calls, path) ? routes.calls[path] : undefined;
  if (!isAllowed(token, request)) refuse(request, response, unauthenticated());
  else if (path === "/healthz") answerHealth(routes.health(), response);
  else if (path.startsWith(`${trussPrefix}/`)) void routes.truss(request, response);
  else if (call === undefined) {
    refuse(request, response, new ServingError("route_not_found", `A replica has no route ${path}.`));
  } else if (request.method !== "POST") {
    refuse(request, response, new ServingError("method_not_allowed", `${path} takes POST.`));
  } else void call(request, response);
}

function answerHealth(health: Health, response: ServerResponse): void {
  response.writeHead(health.status === "ready" ? 200 : 503, { "content-type": "application/json" });
  response.end(JSON.stringify(health));
}

function refuse(request: IncomingMessage, response: ServerResponse, error: ServingError): void {
  request.resume();
  const answer = errorAnswer("corral", error, { runId: null, instance: pathOf(request), source: "replica" });
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}

function upgrade(
  routes: Routes,
  token: Buffer | null,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  // Until the channel has it, nobody else listens for a failing socket.
  socket.on("error", () => socket.destroy());
  const wanted = (request.headers.upgrade ?? "").toLowerCase() === controlProtocol;
  if (!isAllowed(token, request)) socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
  else if (pathOf(request) === websocketPath && isWebsocket(request))
    routes.openSocket(request, socket, head);
  else if (pathOf(request) !== controlPath) socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  else if (!wanted)
    socket.end(`HTTP/1.1 426 Upgrade Required\r\nUpgrade: ${controlProtocol}\r\nConnection: close\r\n\r\n`);
  else routes.openControlChannel(socket, head);
}

function isWebsocket({ headers }: IncomingMessage): boolean {
  return (headers.upgrade ?? "").toLowerCase() === "websocket";
}

function isAllowed(expected: Buffer | null, request: IncomingMessage): boolean {
  if (expected === null) return true;
  const given = Buffer.from((request.headers.authorization ?? "").replace(/^Bearer /i, ""));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function unauthenticated(): ServingError {
  return new ServingError("unauthenticated", "A replica answers only the platform that started it.");
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0] ?? "/";
}
