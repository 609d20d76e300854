// Websockets: a key is asked for before anything is opened, then the connection is handed to the replica, which speaks the
// protocol. Knows nothing of what is said.

import { request as sendRequest, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { asServingError, errorAnswer, ServingError, type Dialect } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import { requestOptions } from "../replica/address.ts";
import type { LiveReplica } from "../replica/live-replica.ts";
import type { AddressedDeployment, Addresses } from "./address-book.ts";
import type { Authenticate, Principal } from "./authenticate.ts";
import { runHeaders, type PredictServices } from "./forward-call.ts";
import { requireModel, requireScope } from "./guard.ts";
import { isForUs, readTarget, type OwnNames } from "./hosts.ts";
import { modelAddresses, type AddressParams } from "./model-address-routes.ts";
import { headersForReplica } from "./predict-call.ts";
import { selectReplica } from "./select-replica.ts";

export interface SocketServices {
  readonly names: () => OwnNames;
  readonly authenticate: Authenticate;
  readonly isShuttingDown: () => boolean;
  readonly predict: PredictServices;
}

interface SocketRoute {
  /** As Fastify writes it. */
  readonly url: string;
  readonly dialect: Dialect;
  readonly summary: string;
  readonly find: (addresses: Addresses, params: AddressParams) => AddressedDeployment;
}

const routes: readonly SocketRoute[] = [
  {
    url: "/api/v1/deployments/:deployment/websocket",
    dialect: "corral",
    summary: "Open a websocket of a deployment's code",
    find: (addresses, { deployment = "" }) => addresses.byDeployment(deployment),
  },
  ...modelAddresses.map(({ path, what, find }): SocketRoute => ({
    url: `${path}/websocket`,
    dialect: "baseten",
    summary: `Open a websocket of ${what}; also below sync, as /v1/websocket`,
    find,
  })),
];

/** On the replica. */
const socketPath = "/sync/v1/websocket";
const lookAgainMs = 50;
const goodbyeMs = 2_000;

const patterns = routes.flatMap((route) => {
  const names = [...route.url.matchAll(/:([a-z]+)/g)].map(([, name]) => name ?? "");
  const pattern = route.url.replaceAll(/:[a-z]+/g, "([^/]+)");
  const below = pattern.replace(/\/websocket$/, "/sync/v1/websocket");
  return [pattern, below].map((each) => ({ route, names, pattern: new RegExp(`^${each}$`) }));
});

/** So that the table of guards names them; whoever does not ask for an upgrade is told so. */
export function registerSocketRoutes(app: FastifyInstance): void {
  for (const { url, dialect, summary } of routes) {
    app.get(
      url,
      { config: { guard: "predict", dialect }, schema: { summary, tags: ["predict"] } },
      async () => {
        throw new ServingError(
          "upgrade_required",
          "This address is a websocket's; open it with ws: or wss:.",
        );
      },
    );
  }
}

export function takeUpgrades(server: Server, services: SocketServices): void {
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    void open(services, request, socket, head).catch((error: unknown) => {
      const target = readTarget(services.names(), request.url ?? "/", request.headers.host);
      const route = target.kind === "path" ? match(target.path)?.route : undefined;
      refuse(socket, route?.dialect ?? "corral", asServingError(error));
    });
  });
}

async function open(
  { names, authenticate, isShuttingDown, predict }: SocketServices,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { url = "/", headers } = request;
  const target = readTarget(names(), url, headers.host);
  if (target.kind === "foreign" || !isForUs(names(), url, headers.host))
    throw new ServingError("misdirected_host", "This server does not answer for that host.");
  const [path = "", query] = target.path.split("?", 2);
  const found = match(path);
  if (found === null)
    throw new ServingError("route_not_found", "There is no websocket here; see /openapi.json.");
  if ((headers.upgrade ?? "").toLowerCase() !== "websocket")
    throw new ServingError("upgrade_required", "The only upgrade here is to a websocket.");
  if (isShuttingDown()) throw new ServingError("shutting_down", "The server is shutting down.");
  const principal = await authenticate(headers);
  requireScope(principal, "predict");
  const addresses = await predict.addresses.open(principal.projectId);
  const deployment = found.route.find(addresses, found.params);
  requireModel(principal, deployment.modelName);
  const arrivedMs = predict.nowMs();
  predict.loads.arrived(deployment.id);
  const replica = await readyReplica(predict, deployment, socket);
  const loadMs = predict.nowMs() - arrivedMs;
  await connect(predict, {
    replica,
    request,
    socket,
    head,
    principal,
    deployment,
    loadMs,
    arrivedMs,
    query,
    ...found,
  });
}

interface Connection {
  readonly replica: LiveReplica;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly principal: Principal;
  readonly deployment: AddressedDeployment;
  readonly loadMs: number;
  readonly arrivedMs: number;
  readonly query: string | undefined;
  readonly route: SocketRoute;
}

/** Resolves when both sides are gone. Fails while nothing was answered. */
function connect(services: PredictServices, connection: Connection): Promise<void> {
  const { replica, request, socket, head, principal, deployment, route, query, loadMs, arrivedMs } =
    connection;
  const runId = services.newRunId();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const told = headersForReplica(request.headers, {
    runId,
    dialect: route.dialect,
    principal,
    target: { modelId: deployment.modelId, deploymentId: deployment.id },
    token: replica.token,
    nowMs: arrivedMs,
    loadMs,
    isOwnRequest: true,
    isBare: true,
    depth: 0,
  });
  const upstream = sendRequest({
    ...requestOptions(replica.address),
    path: query === undefined ? socketPath : `${socketPath}?${query}`,
    agent: false,
    headers: { ...told, connection: "Upgrade", upgrade: "websocket" },
  });
  replica.upstream.inFlightCount += 1;
  void promise
    .catch(() => undefined)
    .finally(() => {
      replica.upstream.inFlightCount -= 1;
      services.loads.ended(deployment.id);
    });
  const left = () => upstream.destroy();
  socket.once("close", left);
  upstream.once("error", (cause) =>
    reject(new ServingError("replica_lost", "The replica ended before it answered.", { cause })),
  );
  upstream.once("response", (response) => {
    response.resume();
    reject(
      new ServingError("deployment_not_ready", "The replica opens no websocket just now.", {
        retryAfterSeconds: 1,
      }),
    );
  });
  upstream.once("upgrade", (response, opened: Duplex, rest: Buffer) => {
    socket.off("close", left);
    opened.on("error", () => socket.destroy());
    const headers = { ...headersOf(response), ...runHeaders(route.dialect, runId) };
    socket.write(headOf("101 Switching Protocols", headers));
    if (rest.length > 0) socket.write(rest);
    if (head.length > 0) opened.write(head);
    for (const each of [socket, opened])
      if ("setTimeout" in each && typeof each.setTimeout === "function") each.setTimeout(0);
    // Each side is read no faster than the other takes it.
    socket.pipe(opened);
    opened.pipe(socket);
    socket.once("close", () => opened.destroy());
    opened.once("close", () => {
      socket.end();
      // Whoever keeps it open keeps nothing here from ending.
      setTimeout(() => socket.destroy(), goodbyeMs).unref();
      resolve();
    });
  });
  upstream.end();
  return promise;
}

/** Waits where the model is not in memory. Fails with `model_loading` where that takes too long. */
async function readyReplica(
  { replicasOf, loads }: PredictServices,
  deployment: AddressedDeployment,
  socket: Duplex,
): Promise<LiveReplica> {
  const ready = selectReplica(await replicasOf(deployment.id));
  if (ready !== null) return ready;
  if (deployment.status === "failed")
    throw new ServingError("deployment_failed", `Deployment ${deployment.name} cannot start.`);
  using place = loads.wait(deployment, 0);
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => undefined);
  const tooLong = () =>
    over.reject(
      new ServingError("model_loading", `Deployment ${deployment.name} is being loaded.`, {
        retryAfterSeconds: place.retryAfterSeconds(),
      }),
    );
  const left = () => over.reject(new ServingError("client_closed", "The caller closed the connection."));
  const timer = setTimeout(tooLong, loads.waitMs);
  socket.once("close", left);
  try {
    for (;;) {
      await Promise.race([place.loaded(), over.promise]);
      const replica = selectReplica(await replicasOf(deployment.id));
      if (replica !== null) return replica;
      await Promise.race([new Promise((resolve) => setTimeout(resolve, lookAgainMs)), over.promise]);
    }
  } finally {
    clearTimeout(timer);
    socket.off("close", left);
  }
}

function match(url: string): { readonly route: SocketRoute; readonly params: AddressParams } | null {
  const [path = ""] = url.split("?", 1);
  for (const { route, names, pattern } of patterns) {
    const found = pattern.exec(path);
    if (found === null) continue;
    const values = names.map((name, index) => [name, decoded(found[index + 1] ?? "")]);
    return { route, params: { model: "", ...(Object.fromEntries(values) as Partial<AddressParams>) } };
  }
  return null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  );
}

function refuse(socket: Duplex, dialect: Dialect, error: ServingError): void {
  const { status, headers, body } = errorAnswer(dialect, error, {
    runId: null,
    instance: null,
    source: "gateway",
  });
  const all = { ...headers, "content-length": String(Buffer.byteLength(body)), connection: "close" };
  if (socket.writable) socket.end(headOf(`${status} ${error.code}`, all) + body);
}

function headOf(status: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`;
}
