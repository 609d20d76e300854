// The OpenAPI document of a deployment → a TypeScript file with its types and the call, which needs nothing but `fetch`. Pure.

import { schemaType, type Schema } from "./schema-type.ts";

export interface ClientFileOptions {
  /** Of the platform, without a trailing slash: the default of the client. */
  readonly url: string;
  /** How the file was made. */
  readonly command: string;
}

interface Operation {
  readonly path: string;
  /** Text, piece by piece. */
  readonly streams: boolean;
}

/** Fails with a `TypeError` for a document that is not of a deployment. */
export function clientFile(document: Schema, { url, command }: ClientFileOptions): string {
  const { path, streams } = operationOf(document);
  const { title, version } = object(document["info"]);
  const schemas = object(object(document["components"])["schemas"]);
  const names = typeNames(Object.keys(schemas));
  const nameOf = (reference: string) => {
    const [, name] = /^#\/components\/schemas\/([^/]+)$/.exec(reference) ?? [];
    return name === undefined ? null : (names.get(name) ?? null);
  };
  const types = Object.entries(schemas)
    .filter(([name]) => name !== "Error" && !(streams && name.startsWith("Output")))
    .map(([name, schema]) => `export type ${names.get(name) ?? name} = ${schemaType(schema, nameOf)};`);
  return [
    `// The deployment ${comment(title)}, version ${comment(version)}. Made by \`${comment(command)}\`; make it again when the model changes.`,
    "",
    ...types,
    "",
    frame(url, path),
    streams ? streamingCall : jsonCall,
    "",
  ].join("\n");
}

function frame(url: string, path: string): string {
  return `export interface ClientOptions {
  readonly key: string;
  /** Of the platform; default: where this file was made from. */
  readonly url?: string;
  readonly fetch?: typeof fetch;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** An answer that is none: \`body\` is what came, as JSON where it is. */
export class PredictError extends Error {
  override readonly name = "PredictError";
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(\`The call was answered \${status}: \${typeof body === "string" ? body : JSON.stringify(body)}\`);
    this.status = status;
    this.body = body;
  }
}

const path = ${JSON.stringify(path)};

async function call(input: Input, options: ClientOptions, { signal }: CallOptions): Promise<Response> {
  const response = await (options.fetch ?? fetch)(\`\${options.url ?? ${JSON.stringify(url)}}\${path}\`, {
    method: "POST",
    headers: { authorization: \`Bearer \${options.key}\`, "content-type": "application/json" },
    body: JSON.stringify(input),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.ok) return response;
  const text = await response.text();
  throw new PredictError(response.status, asJson(text));
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
`;
}

const jsonCall = `/** Fails with a \`PredictError\` for every answer that is none. */
export function createClient(options: ClientOptions) {
  return {
    async predict(input: Input, callOptions: CallOptions = {}): Promise<Output> {
      return (await (await call(input, options, callOptions)).json()) as Output;
    },
  };
}`;

const streamingCall = `/** Fails with a \`PredictError\` for every answer that is none. */
export function createClient(options: ClientOptions) {
  return {
    /** Text as it is made. */
    async *predict(input: Input, callOptions: CallOptions = {}): AsyncGenerator<string, void, undefined> {
      const { body } = await call(input, options, callOptions);
      if (body === null) return;
      const decoder = new TextDecoder();
      for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
        const text = decoder.decode(piece, { stream: true });
        if (text !== "") yield text;
      }
      const rest = decoder.decode();
      if (rest !== "") yield rest;
    },
  };
}`;

function operationOf(document: Schema): Operation {
  const [entry] = Object.entries(object(document["paths"]));
  if (entry === undefined) throw new TypeError("The document has no path.");
  const [path, methods] = entry;
  const responses = object(object(object(methods)["post"])["responses"]);
  const content = object(object(responses["200"])["content"]);
  return { path, streams: !Object.hasOwn(content, "application/json") };
}

/** `Input_Some.Part` → `InputSomePart`, each another one. */
function typeNames(names: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>(["ClientOptions", "CallOptions", "PredictError"]);
  return new Map(
    names.map((name) => {
      const plain = name.replace(
        /[^A-Za-z0-9]+(.)?/g,
        (_, next: string | undefined) => next?.toUpperCase() ?? "",
      );
      let unique = plain;
      for (let number = 2; taken.has(unique); number++) unique = `${plain}${number}`;
      taken.add(unique);
      return [name, unique];
    }),
  );
}

/** Of the document, in a comment. */
function comment(value: unknown): string {
  return String(value).replace(/[^\x20-\x7e]/g, "?");
}

function object(value: unknown): Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}
