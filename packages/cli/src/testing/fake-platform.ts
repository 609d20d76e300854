// An HTTP server that answers as the platform does, for the CLI's tests: enough of /api/v1, and what it was asked.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { errorAnswer, ServingError, type Deployment, type Weights } from "@corral/contract";

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}

export interface FakePlatform {
  readonly url: string;
  readonly requests: FakeRequest[];
  /** `METHOD /path` → what is answered instead, or a function that gives it. */
  readonly answers: Map<string, unknown>;
  close(): Promise<void>;
}

export const fakeKey = "corral_testkey1_0123456789abcdef";

export function fakeDeployment(change: Partial<Deployment> = {}): Deployment {
  return {
    id: "dep_1",
    name: "corral-tiny-3",
    model_id: "mod_1",
    model_name: "corral-tiny-3",
    version_id: "ver_1",
    status: "active",
    status_detail: null,
    development: false,
    production: true,
    identifiers: ["llama-3-8b-instruct"],
    created_at: "2026-11-21T00:00:00.000Z",
    ...change,
  };
}

export function fakeWeights(change: Partial<Weights> = {}): Weights {
  return {
    id: "wts_1",
    source: "llamav2-7b-chat",
    name: "llamav2-7b-chat",
    repository: "meta-llama/Llama-2-7b-chat-hf",
    revision: null,
    quantization: "q4_k_m",
    status: "ready",
    detail: null,
    error_code: null,
    warnings: [],
    progress: null,
    bytes: 4_081_004_224,
    sha256: "ab",
    created_at: "2026-11-21T00:00:00.000Z",
    ...change,
  };
}

export async function startFakePlatform(): Promise<FakePlatform> {
  const requests: FakeRequest[] = [];
  const answers = new Map<string, unknown>();
  let polls = 0;
  const usual = (method: string, path: string, body: Buffer): unknown => {
    const page = (...items: unknown[]) => ({ items, next_cursor: null });
    switch (`${method} ${path}`) {
      case "GET /api/v1/models":
        return page({ id: "mod_1", name: "corral-tiny-3", created_at: "2026-11-21T00:00:00.000Z" });
      case "GET /api/v1/deployments":
        return page(fakeDeployment());
      case "GET /api/v1/weights":
        return page(fakeWeights());
      case "GET /api/v1/weights/wts_1":
        return fakeWeights();
      case "POST /api/v1/weights":
        return fakeWeights({ status: "queued", bytes: null, sha256: null });
      case "POST /api/v1/weights/wts_1/cancel":
        return fakeWeights({ status: "canceled" });
      case "DELETE /api/v1/weights/wts_1":
        return undefined;
      case "GET /api/v1/catalogue/llamav2-7b-chat":
        return {
          identifier: "llamav2-7b-chat",
          license: { id: "llama2", url: "https://test/llama2", notice: "Meta's terms: https://test/llama2" },
        };
      case "POST /api/v1/deployments": {
        const { name = "named", source } = JSON.parse(body.toString()) as { name?: string; source?: string };
        if (source === "llamav2-7b-chat")
          return new ServingError("weights_missing", "The weights are not on this machine.");
        return fakeDeployment({ id: "dep_2", name, status: "starting" });
      }
      case "GET /api/v1/deployments/dep_2":
        return fakeDeployment({ id: "dep_2", name: "named", status: ++polls < 2 ? "starting" : "active" });
      case "POST /api/v1/versions":
        return {
          version: {
            id: "ver_9",
            model_id: "m",
            model_name: "pushed",
            digest: "d",
            weights_sha256: null,
            created_at: "",
          },
          created: true,
          warnings: [],
        };
      case "POST /model_versions/dep_1/predict": {
        const parsed = JSON.parse(body.toString()) as { stream?: boolean } | null;
        if (parsed?.stream === true) return "streamed text";
        const output = {
          output: "an answer",
          usage: {},
          finish_reason: "stop",
          run_id: "r",
          warnings: ["top_k is inert."],
        };
        return { model_id: "mod_1", model_version_id: "dep_1", model_output: output };
      }
      case "GET /api/v1/deployments/dep_1/logs":
        return { items: [{ at: "2026-11-21T00:00:00Z", replica_id: "rep_1", line: "ready\u001b[2J" }] };
      case "POST /api/v1/keys":
        return { id: "key_1", key: "corral_new" };
      case "DELETE /api/v1/deployments/dep_1":
        return undefined;
      default:
        return new ServingError("route_not_found", `There is no route ${method} ${path}.`);
    }
  };
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const method = request.method ?? "";
    const url = new URL(request.url ?? "/", "http://fake");
    const body = await buffer(request);
    requests.push({ method, path: url.pathname + url.search, body });
    const authorized = request.headers.authorization === `Api-Key ${fakeKey}`;
    const found = authorized
      ? answers.has(`${method} ${url.pathname}`)
        ? called(answers.get(`${method} ${url.pathname}`))
        : usual(method, url.pathname, body)
      : new ServingError("unauthenticated", "The API key is not valid.");
    if (found instanceof ServingError) {
      const {
        status,
        headers,
        body: text,
      } = errorAnswer("corral", found, { runId: null, instance: url.pathname, source: "gateway" });
      response.writeHead(status, headers).end(text);
    } else if (typeof found === "string") {
      response.writeHead(200, { "content-type": "text/plain" }).end(found);
    } else {
      response.writeHead(found === undefined ? 204 : 200, { "content-type": "application/json" });
      response.end(found === undefined ? undefined : JSON.stringify(found));
    }
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function called(answer: unknown): unknown {
  return typeof answer === "function" ? (answer as () => unknown)() : answer;
}
