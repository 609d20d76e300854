// An HTTP proxy between a client and a platform, which says when a chosen request is half sent, sent, or answered and
// not passed on yet: the moments at which a proof kills the platform. While the platform is away it resets connections.

import { once } from "node:events";
import { createServer, request as sendRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type Phase =
  /** Half of the body is sent. */
  | { readonly kind: "half" }
  /** All of it is sent, so many milliseconds ago. */
  | { readonly kind: "sent"; readonly ms: number }
  /** The answer is here and the client has nothing of it. */
  | { readonly kind: "answered" };

export interface Moment {
  readonly phase: Phase;
  matches(request: { readonly method: string; readonly target: string; readonly body: Buffer }): boolean;
}

export interface KillingProxy extends AsyncDisposable {
  readonly url: string;
  /** Until it has come, once: the request is left without an answer. */
  await(moment: Moment, kill: () => Promise<void>): Promise<void>;
  /** Whether the moment that was waited for came. */
  readonly came: () => boolean;
}

export async function startKillingProxy(targetPort: number): Promise<KillingProxy> {
  let waiting: {
    readonly moment: Moment;
    readonly kill: () => Promise<void>;
    readonly done: () => void;
  } | null = null;
  let came = false;

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await request.toArray());
    const method = request.method ?? "GET";
    const target = request.url ?? "/";
    const hit = waiting?.moment.matches({ method, target, body }) === true ? waiting : null;
    if (hit !== null) {
      waiting = null;
      came = true;
    }
    const end = async () => {
      await hit?.kill();
      request.socket.destroy();
      hit?.done();
    };
    const headers = pairsOf(request.rawHeaders).filter(
      ([name]) =>
        !["expect", "transfer-encoding", "content-length", "connection"].includes(name.toLowerCase()),
    );
    const forwarded = sendRequest({
      host: "127.0.0.1",
      port: targetPort,
      method,
      path: target,
      headers: [...headers, ["content-length", String(body.length)]].flat(),
    });
    forwarded.on("error", () => request.socket.destroy());
    if (hit?.moment.phase.kind === "half") {
      forwarded.write(body.subarray(0, Math.floor(body.length / 2)));
      await sleep(50);
      return await end();
    }
    forwarded.end(body);
    if (hit?.moment.phase.kind === "sent") {
      await sleep(hit.moment.phase.ms);
      return await end();
    }
    const [answer] = (await once(forwarded, "response")) as [IncomingMessage];
    if (hit !== null) return await end();
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  }

  const server = createServer(
    (request, response) => void pass(request, response).catch(() => request.socket.destroy()),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    await: (moment, kill) => {
      came = false;
      return new Promise<void>((done) => void (waiting = { moment, kill, done }));
    },
    came: () => came,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, at) => [raw[at * 2] ?? "", raw[at * 2 + 1] ?? ""]);
}
