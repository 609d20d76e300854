// Plays the platform towards one replica: dials the control channel, collects reports and acknowledges them, and
// makes calls as the gateway does.

import {
  controlPath,
  controlProtocol,
  forwardedHeaders,
  reportSchema,
  type ControlMessage,
  type Dialect,
  type Report,
  type ReportBody,
} from "@corral/contract";
import { randomUUID } from "node:crypto";
import { request, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface PlatformSide {
  /** Everything that came over this connection. */
  readonly reports: readonly Report[];
  /** Acknowledge each report as it comes; default true. */
  acknowledges: boolean;
  send(message: ControlMessage): void;
  /** The first report that fits, now or later. */
  until<Kind extends ReportBody["kind"]>(
    kind: Kind,
    runId?: string,
  ): Promise<Extract<ReportBody, { kind: Kind }>>;
  readonly closed: Promise<void>;
  close(): void;
}

export function dialControlChannel(socketPath: string, acknowledges = true): Promise<PlatformSide> {
  return new Promise((resolve, reject) => {
    const dialling = request({
      socketPath,
      path: controlPath,
      headers: { connection: "Upgrade", upgrade: controlProtocol },
    });
    dialling.once("error", reject);
    dialling.once("response", (response) =>
      reject(new Error(`The dial was answered with ${response.statusCode}.`)),
    );
    dialling.once("upgrade", (_response, socket: Duplex, head: Buffer) =>
      resolve(attach(socket, head, acknowledges)),
    );
    dialling.end();
  });
}

function attach(socket: Duplex, head: Buffer, acknowledges: boolean): PlatformSide {
  const reports: Report[] = [];
  const watchers = new Set<() => void>();
  let rest = "";
  const take = (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) reports.push(reportSchema.parse(JSON.parse(line)));
    const last = reports.at(-1);
    if (side.acknowledges && last !== undefined) side.send({ kind: "ack", number: last.number });
    for (const watch of watchers) watch();
  };
  const side: PlatformSide = {
    reports,
    acknowledges,
    send: (message) => socket.writable && socket.write(`${JSON.stringify(message)}\n`),
    until(kind, runId) {
      return new Promise((resolve) => {
        const watch = () => {
          const found = reports.find(
            ({ report }) =>
              report.kind === kind &&
              (runId === undefined || ("run_id" in report && report.run_id === runId)),
          );
          if (found === undefined) return;
          watchers.delete(watch);
          resolve(found.report as never);
        };
        watchers.add(watch);
        watch();
      });
    },
    closed: new Promise((resolve) => socket.once("close", () => resolve())),
    close: () => socket.destroy(),
  };
  socket.on("error", () => undefined);
  socket.on("data", take);
  if (head.length > 0) take(head);
  return side;
}

export interface Call {
  readonly runId?: string;
  readonly dialect?: Dialect;
  /** Default: `POST`. */
  readonly method?: string;
  /** Default: `/predict`. */
  readonly path?: string;
  /** A value, or a text that is sent as it is. */
  readonly body: unknown;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface OpenCall {
  readonly runId: string;
  readonly request: ClientRequest;
  /** When the answer's headers are there. */
  readonly response: Promise<IncomingMessage>;
  /** When its last byte is there; reading begins when this is first asked for. */
  readonly answer: Promise<Answer>;
}

export interface Answer {
  readonly runId: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read members of many shapes
  readonly json: any;
}

export function openCall(socketPath: string, call: Call): OpenCall {
  const runId = call.runId ?? randomUUID();
  const sent = request({
    socketPath,
    method: call.method ?? "POST",
    path: `${call.path ?? "/predict"}${call.query ?? ""}`,
    agent: false,
    headers: {
      "content-type": "application/json",
      [forwardedHeaders.runId]: runId,
      [forwardedHeaders.dialect]: call.dialect ?? "corral",
      [forwardedHeaders.project]: "default",
      [forwardedHeaders.model]: "model-1",
      [forwardedHeaders.deployment]: "deployment-1",
      ...call.headers,
    },
  });
  sent.end(
    typeof call.body === "string" || Buffer.isBuffer(call.body) ? call.body : JSON.stringify(call.body),
  );
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve);
    sent.once("error", reject);
  });
  // A test that cuts the call itself does not look at it.
  response.catch(() => undefined);
  let answer: Promise<Answer> | undefined;
  return {
    runId,
    request: sent,
    response,
    get answer() {
      return (answer ??= response.then((message) => readAnswer(runId, message)));
    },
  };
}

export function makeCall(socketPath: string, call: Call): Promise<Answer> {
  return openCall(socketPath, call).answer;
}

async function readAnswer(runId: string, message: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  return {
    runId,
    status: message.statusCode ?? 0,
    headers: message.headers,
    text,
    get json() {
      return JSON.parse(text);
    },
  };
}

export interface ServerSentEvent {
  readonly event: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read members of many shapes
  readonly data: any;
}

export function parseEvents(text: string): ServerSentEvent[] {
  return text
    .split("\n\n")
    .filter((frame) => frame.startsWith("event: "))
    .map((frame) => {
      const [event = "", data = ""] = frame.split("\n");
      return { event: event.slice("event: ".length), data: JSON.parse(data.slice("data: ".length)) };
    });
}
