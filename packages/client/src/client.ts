// The platform's API as typed methods. Paths and shapes stand here and in `@corral/contract`, nowhere else.

import type {
  Adapter,
  BasetenEnvelope,
  CatalogueItem,
  CerebriumAnswer,
  CollectGarbage,
  CreateAdapter,
  CreateDeployment,
  CreateKey,
  CreatePatch,
  CreateWeights,
  Deployment,
  DeploymentFiles,
  Detokenized,
  GarbageReport,
  Key,
  LogLine,
  Model,
  PatchAnswer,
  PatchKey,
  PatchProject,
  Price,
  Project,
  PushedVersion,
  PutPrice,
  Rendered,
  RotatedKey,
  Run,
  Secret,
  SecretKeyRotation,
  RunExplanation,
  Tokenized,
  Usage,
  UsageGroup,
  UsageReport,
  Version,
  Weights,
} from "@corral/contract";
import { followRun, type FollowOptions, type RunEvent } from "./follow-run.ts";
import { streamLines, streamText } from "./stream.ts";
import { createTransport, type CallOptions, type ClientOptions } from "./transport.ts";

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

export interface ListOptions extends CallOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

/** Each filter is one of `GET /api/v1/runs`, in its spelling. */
export interface RunListOptions extends ListOptions {
  readonly deployment?: string;
  readonly model?: string;
  readonly status?: string;
  readonly dialect?: string;
  readonly key?: string;
  readonly since?: string;
  readonly until?: string;
  readonly asynchronous?: "true" | "false";
}

export interface LogsOptions extends CallOptions {
  /** How many of the last lines, at most 10,000. Default: 100. */
  readonly tail?: number;
  readonly search?: string;
  /** Moments in ISO 8601: [since, until). */
  readonly since?: string;
  readonly until?: string;
  /** `debug`, `info`, `warn` or `error`: this one and worse. */
  readonly level?: string;
}

export interface UsageOptions extends CallOptions {
  /** Days of UTC as `2027-01-31`: [from, to). */
  readonly from?: string;
  readonly to?: string;
  /** Id or name. */
  readonly key?: string;
  /** Id or name. */
  readonly model?: string;
  /** Default: all three. */
  readonly groupBy?: readonly UsageGroup[];
}

/** `POST /api/v1/deployments/{d}/generate`: Hugging Face's defaults and no others. */
export interface GenerateAnswer {
  readonly run_id: string;
  readonly run_time_ms: number;
  readonly result: readonly {
    readonly generated_text?: unknown;
    readonly generated_token_ids?: readonly number[];
  }[];
  readonly usage: Usage;
  readonly warnings?: readonly string[];
}

export interface PushOptions extends CallOptions {
  /** The model's name; default: `model_name` of the bundle's config. */
  readonly model?: string;
}

export type Body = Readonly<Record<string, unknown>>;

/** Every method fails with a `ServingError` (the server's), an `UnreachableError`, or the signal's reason. */
export interface Client {
  readonly models: {
    readonly list: (options?: ListOptions) => Promise<Page<Model>>;
    readonly get: (model: string, options?: CallOptions) => Promise<Model>;
    readonly delete: (model: string, options?: CallOptions) => Promise<void>;
    /** `{text, add_special_tokens}`; several texts give a list of ids for each. */
    readonly tokenize: (model: string, body: Body, options?: CallOptions) => Promise<Tokenized>;
    /** `{ids, skip_special_tokens}`; several lists give a list of texts. */
    readonly detokenize: (model: string, body: Body, options?: CallOptions) => Promise<Detokenized>;
    /** The text and ids that `generate` goes on from. */
    readonly render: (model: string, body: Body, options?: CallOptions) => Promise<Rendered>;
  };
  readonly versions: {
    readonly list: (options?: ListOptions) => Promise<Page<Version>>;
    readonly get: (version: string, options?: CallOptions) => Promise<Version>;
    /** `archive` is a plain tar, see `@corral/bundle`. A stream is sent once and never repeated. */
    readonly push: (
      archive: Blob | ReadableStream<Uint8Array>,
      options?: PushOptions,
    ) => Promise<PushedVersion>;
  };
  readonly deployments: {
    readonly list: (options?: ListOptions) => Promise<Page<Deployment>>;
    readonly get: (deployment: string, options?: CallOptions) => Promise<Deployment>;
    readonly create: (body: CreateDeployment, options?: CallOptions) => Promise<Deployment>;
    readonly delete: (deployment: string, options?: CallOptions) => Promise<void>;
    /** The last `tail` lines of its replicas, oldest first. */
    readonly logs: (
      deployment: string,
      options?: LogsOptions,
    ) => Promise<{ readonly items: readonly LogLine[] }>;
    /** The same lines, and every one from then on. */
    readonly followLogs: (
      deployment: string,
      options?: LogsOptions,
    ) => AsyncGenerator<LogLine, void, undefined>;
    readonly generate: (deployment: string, body: Body, options?: CallOptions) => Promise<GenerateAnswer>;
    /** Its call as an OpenAPI 3.1 document. */
    readonly openapi: (deployment: string, options?: CallOptions) => Promise<Body>;
    /** Those of its version, with their hashes. */
    readonly files: (deployment: string, options?: CallOptions) => Promise<DeploymentFiles>;
    /** Other files for a development deployment. Comes back once its replica has taken or refused them. */
    readonly patch: (deployment: string, body: CreatePatch, options?: CallOptions) => Promise<PatchAnswer>;
  };
  /** LoRA adapters of a deployment. */
  readonly adapters: {
    /** Those of its version first. */
    readonly list: (
      deployment: string,
      options?: CallOptions,
    ) => Promise<{ readonly items: readonly Adapter[] }>;
    /** Comes back once calls may name it. */
    readonly add: (deployment: string, body: CreateAdapter, options?: CallOptions) => Promise<Adapter>;
    readonly delete: (deployment: string, adapter: string, options?: CallOptions) => Promise<void>;
  };
  readonly weights: {
    readonly list: (options?: ListOptions) => Promise<Page<Weights>>;
    readonly get: (weights: string, options?: CallOptions) => Promise<Weights>;
    /** Comes back at once; `get` tells how far they are. */
    readonly create: (body: CreateWeights, options?: CallOptions) => Promise<Weights>;
    readonly cancel: (weights: string, options?: CallOptions) => Promise<Weights>;
    readonly delete: (weights: string, options?: CallOptions) => Promise<void>;
  };
  readonly catalogue: {
    readonly list: (options?: ListOptions) => Promise<Page<CatalogueItem>>;
    /** By any of its names. */
    readonly get: (identifier: string, options?: CallOptions) => Promise<CatalogueItem>;
  };
  readonly runs: {
    readonly list: (options?: RunListOptions) => Promise<Page<Run>>;
    readonly get: (run: string, options?: CallOptions) => Promise<Run>;
    /** What was written for it, oldest first. */
    readonly logs: (run: string, options?: LogsOptions) => Promise<{ readonly items: readonly LogLine[] }>;
    readonly followLogs: (run: string, options?: LogsOptions) => AsyncGenerator<LogLine, void, undefined>;
    /** Its text as it comes, from the beginning or after an event; comes back by itself where a connection is lost. */
    readonly follow: (run: string, options?: FollowOptions) => AsyncGenerator<RunEvent, void, undefined>;
    readonly explain: (run: string, options?: CallOptions) => Promise<RunExplanation>;
    readonly cancel: (run: string, options?: CallOptions) => Promise<Run>;
    /** Its result is sent to its webhook once more. */
    readonly redeliver: (run: string, options?: CallOptions) => Promise<unknown>;
  };
  readonly keys: {
    readonly list: (options?: ListOptions) => Promise<Page<Key>>;
    readonly create: (
      body: Partial<CreateKey> & Pick<CreateKey, "name">,
      options?: CallOptions,
    ) => Promise<CreatedKey>;
    /** By its id. */
    readonly patch: (key: string, body: PatchKey, options?: CallOptions) => Promise<Key>;
    /** `overlap_seconds`: so long the secret so far is good as well; default: a day. */
    readonly rotate: (
      key: string,
      body?: { readonly overlap_seconds?: number },
      options?: CallOptions,
    ) => Promise<RotatedKey>;
    readonly revoke: (key: string, options?: CallOptions) => Promise<void>;
  };
  readonly usage: {
    readonly report: (options?: UsageOptions) => Promise<UsageReport>;
    /** The items as comma-separated values, with a heading. */
    readonly csv: (options?: UsageOptions) => Promise<string>;
  };
  readonly prices: {
    /** Of all models, or of one; the newest of each first. */
    readonly list: (
      options?: CallOptions & { readonly model?: string },
    ) => Promise<{ readonly items: readonly Price[] }>;
    readonly put: (
      model: string,
      price: Partial<PutPrice> & Pick<PutPrice, "currency">,
      options?: CallOptions,
    ) => Promise<Price>;
  };
  /** Of the calling key. */
  readonly project: {
    readonly get: (options?: CallOptions) => Promise<Project>;
    readonly patch: (body: PatchProject, options?: CallOptions) => Promise<Project>;
  };
  /** Removes what nothing refers to any more. */
  readonly collectGarbage: (body?: Partial<CollectGarbage>, options?: CallOptions) => Promise<GarbageReport>;
  readonly secrets: {
    readonly list: (options?: ListOptions) => Promise<Page<Secret>>;
    readonly set: (name: string, value: string, options?: CallOptions) => Promise<Secret>;
    readonly delete: (name: string, options?: CallOptions) => Promise<void>;
    readonly rotateKey: (options?: CallOptions) => Promise<SecretKeyRotation>;
  };
  /** The documented Baseten call, by deployment id. `body` is any JSON: models of code take what they like. */
  readonly predict: (deployment: string, body: unknown, options?: CallOptions) => Promise<BasetenEnvelope>;
  /** The same call, answered as text while it is generated. */
  readonly predictStream: (
    deployment: string,
    body: Body,
    options?: CallOptions,
  ) => AsyncGenerator<string, void, undefined>;
  /** The documented Cerebrium call, by catalogue identifier. */
  readonly predictIdentifier: (
    identifier: string,
    body: Body,
    options?: CallOptions,
  ) => Promise<CerebriumAnswer>;
}

export interface CreatedKey {
  readonly id: string;
  /** Shown this once. */
  readonly key: string;
}

export function createClient(options: ClientOptions): Client {
  const transport = createTransport(options);
  const get = <Answer>(path: string, call: CallOptions = {}) => transport.json<Answer>(path, call);
  const post = <Answer>(path: string, json: unknown, call: CallOptions = {}) =>
    transport.json<Answer>(path, { ...call, method: "POST", json });
  const remove = async (path: string, call: CallOptions = {}) => {
    await transport.send(path, { ...call, method: "DELETE" });
  };
  const list = <Item>(path: string, { limit, cursor, ...call }: ListOptions = {}) =>
    transport.json<Page<Item>>(path, { ...call, query: { limit, cursor } });
  const logs = (path: string, options: LogsOptions = {}) =>
    transport.json<{ items: LogLine[] }>(`${path}/logs`, logsRequest(options));
  const followLogs = (path: string, options: LogsOptions = {}) =>
    streamLines<LogLine>(transport, `${path}/logs`, logsRequest(options, "true"));
  const usage = ({ groupBy, signal, ...query }: UsageOptions, format: "json" | "csv") => ({
    ...(signal === undefined ? {} : { signal }),
    query: { ...query, group_by: groupBy?.join(","), format },
  });
  const api = (resource: string, id?: string) =>
    `/api/v1/${resource}${id === undefined ? "" : `/${encodeURIComponent(id)}`}`;

  return {
    models: {
      list: (call) => list("/api/v1/models", call),
      get: (model, call) => get(api("models", model), call),
      delete: (model, call) => remove(api("models", model), call),
      tokenize: (model, body, call) => post(`${api("models", model)}/tokenize`, body, call),
      detokenize: (model, body, call) => post(`${api("models", model)}/detokenize`, body, call),
      render: (model, body, call) => post(`${api("models", model)}/render`, body, call),
    },
    versions: {
      list: (call) => list("/api/v1/versions", call),
      get: (version, call) => get(api("versions", version), call),
      push: (archive, { model, ...call } = {}) =>
        transport.json("/api/v1/versions", {
          ...call,
          method: "POST",
          query: { model },
          body: archive,
          headers: { "content-type": "application/x-tar" },
        }),
    },
    deployments: {
      list: (call) => list("/api/v1/deployments", call),
      get: (deployment, call) => get(api("deployments", deployment), call),
      create: (body, call) => post("/api/v1/deployments", body, call),
      delete: (deployment, call) => remove(api("deployments", deployment), call),
      logs: (deployment, options) => logs(api("deployments", deployment), options),
      followLogs: (deployment, options) => followLogs(api("deployments", deployment), options),
      generate: (deployment, body, call) => post(`${api("deployments", deployment)}/generate`, body, call),
      openapi: (deployment, call) => get(`${api("deployments", deployment)}/openapi.json`, call),
      files: (deployment, call) => get(`${api("deployments", deployment)}/files`, call),
      patch: (deployment, body, call) => post(`${api("deployments", deployment)}/patches`, body, call),
    },
    adapters: {
      list: (deployment, call) => get(`${api("deployments", deployment)}/adapters`, call),
      add: (deployment, body, call) => post(`${api("deployments", deployment)}/adapters`, body, call),
      delete: (deployment, adapter, call) =>
        remove(`${api("deployments", deployment)}/adapters/${encodeURIComponent(adapter)}`, call),
    },
    weights: {
      list: (call) => list("/api/v1/weights", call),
      get: (weights, call) => get(api("weights", weights), call),
      create: (body, call) => post("/api/v1/weights", body, call),
      cancel: (weights, call) => post(`${api("weights", weights)}/cancel`, {}, call),
      delete: (weights, call) => remove(api("weights", weights), call),
    },
    catalogue: {
      list: (call) => list("/api/v1/catalogue", call),
      get: (identifier, call) => get(api("catalogue", identifier), call),
    },
    runs: {
      list: ({ signal, ...query } = {}) =>
        transport.json("/api/v1/runs", { ...(signal === undefined ? {} : { signal }), query }),
      get: (run, call) => get(api("runs", run), call),
      logs: (run, options) => logs(api("runs", run), options),
      followLogs: (run, options) => followLogs(api("runs", run), options),
      follow: (run, call) => followRun(transport, `${api("runs", run)}/stream`, call),
      explain: (run, call) => get(`${api("runs", run)}/explain`, call),
      cancel: (run, call) => post(`${api("runs", run)}/cancel`, {}, call),
      redeliver: (run, call) => post(`${api("runs", run)}/redeliver`, {}, call),
    },
    keys: {
      list: (call) => list("/api/v1/keys", call),
      create: (body, call) => post("/api/v1/keys", body, call),
      patch: (key, body, call = {}) =>
        transport.json(api("keys", key), { ...call, method: "PATCH", json: body }),
      rotate: (key, body = {}, call = {}) => post(`${api("keys", key)}/rotate`, body, call),
      revoke: (key, call) => remove(api("keys", key), call),
    },
    usage: {
      report: (options = {}) => transport.json("/api/v1/usage", usage(options, "json")),
      csv: async (options = {}) =>
        await (await transport.send("/api/v1/usage", usage(options, "csv"))).text(),
    },
    prices: {
      list: ({ model, ...call } = {}) => get(api("prices", model), call),
      put: (model, price, call = {}) =>
        transport.json(api("prices", model), { ...call, method: "PUT", json: price }),
    },
    project: {
      get: (call) => get("/api/v1/project", call),
      patch: (json, call) => transport.json("/api/v1/project", { ...call, method: "PATCH", json }),
    },
    collectGarbage: (body = {}, call) => post("/api/v1/gc", body, call),
    secrets: {
      list: (call) => list("/api/v1/secrets", call),
      set: (name, value, call) =>
        transport.json(api("secrets", name), { ...call, method: "PUT", json: { value } }),
      delete: (name, call) => remove(api("secrets", name), call),
      rotateKey: (call) => post("/api/v1/secret-key/rotate", {}, call),
    },
    predict: (deployment, body, call) =>
      post(`/model_versions/${encodeURIComponent(deployment)}/predict`, body, call),
    predictStream: (deployment, body, call) =>
      streamText(transport, `/model_versions/${encodeURIComponent(deployment)}/predict`, body, call),
    predictIdentifier: (identifier, body, call) =>
      post(`/${encodeURIComponent(identifier)}/predict`, body, call),
  };
}

function logsRequest({ signal, ...query }: LogsOptions, follow?: "true") {
  return { ...(signal === undefined ? {} : { signal }), query: { ...query, follow } };
}

/** Every item of a list, page after page: `for await (const model of allOf(client.models.list))`. */
export async function* allOf<Item>(
  list: (options: ListOptions) => Promise<Page<Item>>,
  options: ListOptions = {},
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | null | undefined = options.cursor;
  do {
    const page: Page<Item> = await list({
      limit: 500,
      ...options,
      ...(cursor === undefined || cursor === null ? {} : { cursor }),
    });
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor !== null);
}
