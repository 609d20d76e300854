// The model that a code worker loads for a bundle with docker_server: it starts the author's server and passes every call
// on to it. Its paths are those that Truss gives such a server.
// Source: truss 0.18.35, templates/docker_server/proxy.conf.jinja.

import { setTimeout as sleep } from "node:timers/promises";
import { HttpError, type CallContext } from "@corral/model";
import type { UnacceptedSocket } from "../typescript/author-socket.ts";
import { JsonText } from "../typescript/send-answer.ts";
import { ask, startAuthorServer, type ServerSettings } from "./author-server.ts";
import { forward, type ServerRequest } from "./forward.ts";
import { relaySocket } from "./relay-socket.ts";
import { targetOf } from "./target.ts";

let settings: ServerSettings | null = null;
const askEveryMs = 10_000;
/** A connection breaks before the end of the server is known. */
const endMs = 300;

export async function load({ config }: { readonly config: unknown }): Promise<void> {
  const wanted = config as ServerSettings;
  const { ended } = await startAuthorServer(wanted);
  settings = wanted;
  // With its process, this one ends: it is started again as any code that crashed.
  void ended.then(leave);
  watchLiveness(wanted);
}

export async function predict(_input: unknown, { request, signal }: CallContext): Promise<unknown> {
  const { port, predict_endpoint: path } = known();
  const { headers, body, url } = request;
  const query = url.includes("?") ? url.slice(url.indexOf("?")) : "";
  const response = await passOn(port, { method: "POST", path: `${path}${query}`, headers, body, signal });
  const isJson = /^application\/json\b/.test(response.headers.get("content-type") ?? "");
  // So that a family of calls can put its envelope around it.
  if (response.status === 200 && isJson && !response.headers.has("content-encoding"))
    return new JsonText(new Uint8Array(await response.arrayBuffer()));
  return response;
}

/** Any other request, as it came. */
export async function http(_input: unknown, { request, signal }: CallContext): Promise<Response> {
  const { method, headers, body, url } = request;
  const target = targetOf(method, url, known());
  return await passOn(known().port, { ...target, headers, body, signal });
}

/** The author's server says with which subprotocol. */
export const acceptsSockets = true;

/** To the endpoint of `predict`, as Truss's proxy does. */
export async function websocket(socket: UnacceptedSocket, { request, signal }: CallContext): Promise<void> {
  const { port, predict_endpoint: path } = known();
  const { headers, url } = request;
  const query = url.includes("?") ? url.slice(url.indexOf("?")) : "";
  await relaySocket(socket, { port, path: path + query, headers, signal });
}

export async function isHealthy(): Promise<boolean> {
  const { port, readiness_endpoint: path } = known();
  return (await ask(port, path)) === null;
}

/** Calls of a server that ended are lost with this process, which ends meanwhile. */
async function passOn(port: number, request: ServerRequest): Promise<Response> {
  try {
    return await forward(port, request);
  } catch (error) {
    request.signal.throwIfAborted();
    await sleep(endMs);
    const how = (error as { readonly code?: string }).code ?? String(error);
    throw new HttpError(502, `The model's server did not answer (${how}).`);
  }
}

function known(): ServerSettings {
  if (settings === null) throw new Error("The server has not been started.");
  return settings;
}

function watchLiveness({ port, liveness_endpoint: path, restart_ms: restartMs }: ServerSettings): void {
  let soundAt = performance.now();
  setInterval(() => {
    void ask(port, path).then((problem) => {
      if (problem === null) soundAt = performance.now();
      else if (performance.now() - soundAt > restartMs)
        leave(`GET ${path} on port ${port} has not answered 2xx for ${restartMs} ms (${problem}).`);
    });
  }, askEveryMs).unref();
}

/** What is thrown outside of any call is told and ends the process. */
function leave(reason: string): void {
  setImmediate(() => {
    throw new Error(reason);
  });
}
