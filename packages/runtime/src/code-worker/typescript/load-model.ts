// The author's file → a model that can be called: imported, made and loaded, with the schemas that it declares.

import { setTimeout as sleep } from "node:timers/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { CallContext } from "@corral/model";
import { createToldEnvironment, type ToldEnvironment } from "./told-environment.ts";
import type { CodeMethod, CodeSchemas, FailedMessage, StartMessage } from "../protocol.ts";

export type AuthorFunction = (input: unknown, call: CallContext) => unknown;

export interface AuthorModel {
  readonly methods: ReadonlyMap<CodeMethod, AuthorFunction>;
  readonly preprocess: AuthorFunction | null;
  readonly postprocess: AuthorFunction | null;
  readonly environment: ToldEnvironment;
  readonly input: z.ZodType | null;
  readonly output: z.ZodType | null;
  readonly schemas: CodeSchemas | null;
  /** Its `websocket` gets an `UnacceptedSocket`: ours, for a server that chooses a subprotocol. */
  readonly acceptsSockets: boolean;
}

export class ModelNotLoaded extends Error {
  override readonly name = "ModelNotLoaded";
  readonly stage: FailedMessage["stage"];

  constructor(stage: FailedMessage["stage"], cause: unknown) {
    super(`The model was not loaded: ${stage}.`, { cause });
    this.stage = stage;
  }
}

/** As TypeScript spells them. */
const methodNames: readonly (readonly [CodeMethod, string])[] = [
  ["predict", "predict"],
  ["chat_completions", "chatCompletions"],
  ["completions", "completions"],
  ["embeddings", "embeddings"],
  ["messages", "messages"],
  ["responses", "responses"],
  ["websocket", "websocket"],
  ["is_healthy", "isHealthy"],
  ["http", "http"],
];

const loadRetryMs = 1_000;

/** Fails with `ModelNotLoaded`. */
export async function loadModel(
  start: StartMessage,
  onStage: (stage: "import" | "construct" | "setup_environment" | "load") => void,
): Promise<{ readonly model: AuthorModel; readonly loadMs: number; readonly warnings: readonly string[] }> {
  onStage("import");
  const url = pathToFileURL(resolve(start.directory, start.file)).href;
  const exported = await at("import", () => import(url) as Promise<Record<string, unknown>>);
  const definition = await at("definition", () => findDefinition(exported, start));
  onStage("construct");
  const context = {
    config: start.config,
    dataDirectory: start.data_directory,
    environment: start.environment,
  };
  const object = await at("construct", () => definition.make(context));
  const model = await at("definition", () => readModel(object, exported, start.file));
  if (start.environment !== null) {
    onStage("setup_environment");
    await at("setup_environment", () => model.environment.tell(start.environment));
  }
  onStage("load");
  const { load } = object;
  let loadMs = 0;
  if (typeof load === "function") {
    for (let attempt = 0; ; attempt += 1) {
      const startedAt = performance.now();
      try {
        await load.call(object, context);
        loadMs = performance.now() - startedAt;
        break;
      } catch (error) {
        if (attempt >= start.load_retries) throw new ModelNotLoaded("load", error);
        await sleep(loadRetryMs);
      }
    }
  }
  return { model, loadMs, warnings: [] };
}

async function at<Value>(stage: FailedMessage["stage"], work: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ModelNotLoaded ? error : new ModelNotLoaded(stage, error);
  }
}

type Members = Readonly<Record<string, unknown>>;

interface Definition {
  make(context: Members): Members;
}

/** A class, an object with `predict`, or a module of functions. */
function findDefinition(exported: Members, { class_name: className, file }: StartMessage): Definition {
  if (className !== undefined) {
    const named = exported[className];
    if (!isClass(named))
      throw new TypeError(`${file} does not export a class ${className}, which model_class_name names.`);
    return { make: (context) => new named(context) };
  }
  for (const candidate of [exported["default"], exported["Model"]]) {
    if (isClass(candidate)) return { make: (context) => new candidate(context) };
    if (typeof candidate === "object" && candidate !== null) return { make: () => candidate as Members };
    if (typeof candidate === "function") {
      return { make: () => ({ ...exported, predict: candidate }) };
    }
  }
  return { make: () => exported };
}

function isClass(value: unknown): value is new (context: Members) => Members {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

function readModel(object: Members, exported: Members, file: string): AuthorModel {
  const member = (name: string): AuthorFunction | null => {
    const value = object[name];
    if (value === undefined) return null;
    if (typeof value !== "function") throw new TypeError(`${file}: ${name} is no function.`);
    return (input, call) => (value as AuthorFunction).call(object, input, call);
  };
  const found = methodNames.flatMap(([method, name]) => {
    const found = member(name);
    return found === null ? [] : [[method, found] as const];
  });
  const methods = new Map<CodeMethod, AuthorFunction>(found);
  if ([...methods.keys()].every((name) => name === "is_healthy")) {
    throw new TypeError(
      `${file} exports no predict. Export a function predict, an object with one (export default model({ predict })), or a class Model.`,
    );
  }
  const input = readSchema(object["input"] ?? exported["input"], "input", file);
  const output = readSchema(object["output"] ?? exported["output"], "output", file);
  const setUp = member("setupEnvironment") as ((environment: object) => unknown) | null;
  return {
    methods,
    environment: createToldEnvironment(setUp),
    preprocess: member("preprocess"),
    postprocess: member("postprocess"),
    input,
    output,
    schemas: describeSchemas(input, output, object["predict"]),
    acceptsSockets: exported["acceptsSockets"] === true,
  };
}

function readSchema(value: unknown, name: string, file: string): z.ZodType | null {
  if (value === undefined) return null;
  if (typeof value === "object" && value !== null && "_zod" in value && "safeParseAsync" in value) {
    return value as unknown as z.ZodType;
  }
  throw new TypeError(`${file}: ${name} must be a schema of zod 4.`);
}

function describeSchemas(
  input: z.ZodType | null,
  output: z.ZodType | null,
  predict: unknown,
): CodeSchemas | null {
  if (input === null && output === null) return null;
  const describe = (schema: z.ZodType | null, io: "input" | "output") =>
    schema === null
      ? null
      : (z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Record<string, unknown>);
  return {
    input: describe(input, "input"),
    output: describe(output, "output"),
    supports_streaming: isGenerator(predict),
  };
}

function isGenerator(value: unknown): boolean {
  return /Generator/.test(Object.prototype.toString.call(value));
}
