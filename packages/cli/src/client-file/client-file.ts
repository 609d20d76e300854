// The OpenAPI document of a deployment → a TypeScript file with its types and the call, which needs nothing but `fetch`. Pure.

import { callFrame, createClientText } from "./client-frame.ts";
import { circular } from "./circular.ts";
import { schemaType, type Schema } from "./schema-type.ts";

export interface ClientFileOptions {
  /** Of the platform, without a trailing slash: the default of the client. */
  readonly url: string;
  /** How the file was made. */
  readonly command: string;
}

interface Operation {
  readonly path: string;
  /** `text`: piece by piece. `choice`: JSON, and events for `stream: true`. */
  readonly answer: "json" | "text" | "choice";
}

/** Fails with a `TypeError` for a document that is not of a deployment. */
export function clientFile(document: Schema, { url, command }: ClientFileOptions): string {
  const { path, answer } = operationOf(document);
  const { title, version } = object(document["info"]);
  const schemas = object(object(document["components"])["schemas"]);
  const names = typeNames(Object.keys(schemas));
  const loops = circular(schemas, partOf);
  const typeOf = (name: string, schema: unknown) =>
    schemaType(schema, (reference, isDirect) => {
      const part = partOf(reference);
      if (part === null || (isDirect && loops.get(name)?.has(part) === true)) return null;
      return names.get(part) ?? null;
    });
  const types = Object.entries(schemas)
    .filter(([name]) => name !== "Error" && !(answer === "text" && name.startsWith("Output")))
    .map(([name, schema]) => `export type ${names.get(name) ?? name} = ${typeOf(name, schema)};`);
  return [
    `// The deployment ${comment(title)}, version ${comment(version)}. Made by \`${comment(command)}\`; make it again when the model changes.`,
    "",
    ...types,
    "",
    callFrame(url, path),
    createClientText[answer],
    "",
  ].join("\n");
}

/** Of a component; null for any other reference. */
function partOf(reference: string): string | null {
  return /^#\/components\/schemas\/([^/]+)$/.exec(reference)?.[1] ?? null;
}

function operationOf(document: Schema): Operation {
  const [entry] = Object.entries(object(document["paths"]));
  if (entry === undefined) throw new TypeError("The document has no path.");
  const [path, methods] = entry;
  const responses = object(object(object(methods)["post"])["responses"]);
  const content = object(object(responses["200"])["content"]);
  if (!Object.hasOwn(content, "application/json")) return { path, answer: "text" };
  return { path, answer: Object.hasOwn(content, "text/event-stream") ? "choice" : "json" };
}

/** `Input_Some.Part` → `InputSomePart`, each another one. */
function typeNames(names: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>(["ClientOptions", "CallOptions", "PredictError", "StreamEvent"]);
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
