// What a replica answers on which path: its code where it has the method, else its model. Knows no life of either.

import { isServingError, ServingError, type ReplicaConfig } from "@corral/contract";
import type { AdapterTable } from "./adapter-table.ts";
import { answerAdapters } from "./adapters-call.ts";
import { answerCall, stackOf, type CallService, type CarryOut, type ReadBody } from "./answer-call.ts";
import { answerCode } from "./code-call.ts";
import { answerEnvironment } from "./environment-call.ts";
import { answerWithCode } from "./code-worker/answer-with-code.ts";
import type { CodeMethod } from "./code-worker/protocol.ts";
import { websocketWithCode } from "./code-worker/websocket-with-code.ts";
import { embed, score } from "./evaluation/evaluate.ts";
import type { Log } from "./log.ts";
import { complete, completeChat, predict, type PredictService } from "./predict.ts";
import { promptCalls } from "./prompt-calls/prompt-call.ts";
import type { RunningCode } from "./replica-code.ts";
import { readBody, readJsonObject } from "./request-body.ts";
import { sendError } from "./send-answer.ts";
import type { AnswerRequest, OpenSocket } from "./routes.ts";
import { asOpenAi, trussCalls, trussPrefix } from "./truss-server/truss-calls.ts";

export interface ReplicaCallsOptions {
  readonly config: ReplicaConfig;
  readonly log: Log;
  /** Each null while it is being loaded, or where there is none. */
  readonly service: () => PredictService | null;
  readonly code: () => RunningCode | null;
  readonly adapters: () => AdapterTable | null;
  readonly isLoaded: () => boolean;
  /** Throws where nothing is admitted now. */
  readonly admit: <Service extends CallService>(service: Service | null) => Service;
  /** Told of every call until it ends. */
  readonly track: (call: Promise<void>) => Promise<void>;
}

type Calls = Readonly<Record<string, AnswerRequest>>;

/** Paths that code takes over where it has the method. */
const codePaths: readonly (readonly [path: string, method: CodeMethod])[] = [
  ["/predict", "predict"],
  ["/chat/completions", "chat_completions"],
  ["/completions", "completions"],
  ["/v1/embeddings", "embeddings"],
  ["/v1/messages", "messages"],
  ["/v1/responses", "responses"],
];

export interface ReplicaCalls {
  /** By path. */
  readonly paths: Calls;
  /** All that begins with `/sync/`. */
  readonly truss: AnswerRequest;
  /** Takes an upgrade over; answers every failure itself. */
  readonly openSocket: OpenSocket;
}

export function replicaCalls(options: ReplicaCallsOptions): ReplicaCalls {
  const { weights, code } = options.config;
  const hasModel = weights !== undefined;
  const byModel = hasModel ? modelCalls(options) : {};
  const tellAdapters: AnswerRequest = (request, response) =>
    answerAdapters(options.adapters(), hasModel, request, response, options.log);
  return {
    paths: {
      ...noCode,
      "/adapters": tellAdapters,
      ...byModel,
      ...(code === undefined ? {} : codeCalls(options, byModel)),
    },
    truss: trussCalls({
      hasCode: code !== undefined,
      isServer: code?.kind === "server",
      code: options.code,
      isLoaded: options.isLoaded,
      byCode: (method) => byCode(options, method),
      byModel: (method) => modelMethods[method]?.(byModel) ?? null,
      codeMemoryBytes: () => options.code()?.service.worker.memoryBytes ?? 0,
    }),
    openSocket(request, stream, head) {
      request.url = (request.url ?? "").slice(trussPrefix.length);
      void options.track(openCodeSocket(options, request, stream, head));
    },
  };
}

/** Calls that only code answers, on a replica without any. */
const noCode: Calls = Object.fromEntries(
  ["embeddings", "messages", "responses"].map((method): [string, AnswerRequest] => [
    `/v1/${method}`,
    async (request, response) => {
      request.resume();
      const message = `\`${method}\` must only be called if model has it: this model has no code.`;
      sendError(request, response, new ServingError("route_not_found", message), null);
    },
  ]),
);

async function openCodeSocket(
  { config, admit, code, log }: ReplicaCallsOptions,
  ...connection: Parameters<OpenSocket>
): Promise<void> {
  const [, stream] = connection;
  try {
    const service = config.code === undefined ? null : admit(code()?.service ?? null);
    await websocketWithCode(service, ...connection);
  } catch (error) {
    if (!isServingError(error)) log.error("a websocket failed unexpectedly", { stack: stackOf(error) });
    // Where it was opened, this is no frame, and the caller sees it break.
    stream.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }
}

/** What a model without code answers of the Truss server's calls. */
const modelMethods: Partial<Record<CodeMethod, (calls: Calls) => AnswerRequest | undefined>> = {
  predict: (calls) => calls["/predict"],
  chat_completions: (calls) => openAi(calls["/chat/completions"]),
  completions: (calls) => openAi(calls["/completions"]),
};

function openAi(call: AnswerRequest | undefined): AnswerRequest | undefined {
  return call === undefined ? undefined : asOpenAi(call);
}

function modelCalls(options: ReplicaCallsOptions): Calls {
  const { admit, service } = options;
  const call = (carryOut: CarryOut<PredictService>) =>
    answerer(options, () => admit(service()), readJsonObject, carryOut);
  return {
    "/predict": call(predict),
    "/chat/completions": call(completeChat),
    "/completions": call(complete),
    "/score": call(score),
    "/embeddings": call(embed),
    "/tokenize": call(promptCalls["/tokenize"]),
    "/detokenize": call(promptCalls["/detokenize"]),
    "/render": call(promptCalls["/render"]),
  };
}

function byCode(options: ReplicaCallsOptions, method: CodeMethod): AnswerRequest {
  const { admit, code } = options;
  return answerer(options, () => admit(code()?.service ?? null), readBody, answerWithCode(method));
}

function codeCalls(options: ReplicaCallsOptions, model: Calls): Calls {
  const { code, log } = options;
  const calls = codePaths.map(([path, method]): [string, AnswerRequest] => {
    const theirs = byCode(options, method);
    const byModel = model[path] ?? theirs;
    // The code may come to have the method, or lose it, while the replica runs.
    const isTheirs = () =>
      method === "predict" || code()?.service.worker.loaded.methods.includes(method) === true;
    return [path, (request, response) => (isTheirs() ? theirs : byModel)(request, response)];
  });
  const change: AnswerRequest = (request, response) => answerCode(code(), request, response, log);
  const tell: AnswerRequest = (request, response) => answerEnvironment(code(), request, response, log);
  return { ...Object.fromEntries(calls), "/code": change, "/environment": tell };
}

function answerer<Service extends CallService, Body>(
  { track, log }: ReplicaCallsOptions,
  admit: () => Service,
  read: ReadBody<Body>,
  carryOut: CarryOut<Service, Body>,
): AnswerRequest {
  return (request, response) => track(answerCall(admit, request, response, log, read, carryOut));
}
