// One deployment's call as an OpenAPI 3.1 document: with the schemas that its code declares, else with the parameters of
// generate. Pure.

import { generateAnswerSchema, type CodeInterface, type CodeSchemas } from "@corral/contract";
import { z } from "zod";
import { predictBodySchema } from "../gateway/predict-schema.ts";

export interface DescribedDeployment {
  readonly id: string;
  readonly name: string;
  readonly modelName: string;
  readonly versionId: string;
  /** Null: a model of weights alone. */
  readonly code: {
    /** Null: it has not been loaded yet. */
    readonly known: CodeInterface | null;
    /** A body as its author gave it; absent: none was given. */
    readonly example?: unknown;
  } | null;
}

type Json = Readonly<Record<string, unknown>>;

export function deploymentOpenApi(deployment: DescribedDeployment): Json {
  const { id, name, modelName, versionId, code } = deployment;
  const parts = code === null ? weightsParts(id) : codeParts(deployment, code.known?.schemas ?? null);
  return {
    openapi: "3.1.0",
    info: {
      title: name,
      version: versionId,
      description: `${describe(deployment)} The deployment ${name} of the model ${modelName}.`,
    },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }],
    paths: {
      [parts.path]: {
        post: {
          operationId: "predict",
          summary: parts.summary,
          requestBody: {
            required: true,
            content: {
              "application/json": {
                schema: { $ref: "#/components/schemas/Input" },
                ...(code?.example === undefined ? {} : { example: code.example }),
              },
            },
          },
          responses: { "200": parts.answer, default: failure },
        },
      },
    },
    components: {
      securitySchemes: {
        apiKey: {
          type: "apiKey",
          in: "header",
          name: "Authorization",
          description: "Api-Key K, Bearer K, or the bare key.",
        },
      },
      schemas: { ...parts.schemas, Error: parts.error },
    },
  };
}

const failure = {
  description:
    "What went wrong: 400 or 422 for a body that is no JSON or does not fit Input, 401 without a key, 429 over a limit, 500 where the code failed, 503 while the model cannot be loaded.",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
};

interface Parts {
  readonly path: string;
  readonly summary: string;
  readonly answer: Json;
  readonly schemas: Json;
  readonly error: Json;
}

function describe({ code }: DescribedDeployment): string {
  if (code === null) return "A model of weights: Hugging Face's parameters and defaults.";
  if (code.known === null)
    return "A model with code that has not been loaded yet, so what it takes is not known; call it once.";
  return code.known.schemas === null
    ? "A model with code that declares no schemas: it takes and gives any JSON."
    : "A model with code, with the schemas that it declares.";
}

function codeParts({ id, modelName }: DescribedDeployment, schemas: CodeSchemas | null): Parts {
  const streams = schemas?.supports_streaming === true;
  const output = { schema: { $ref: "#/components/schemas/Output" } };
  return {
    path: `/model/${encodeURIComponent(modelName)}/deployment/${encodeURIComponent(id)}/predict`,
    summary: "Call the model's code; the answer is its own, with nothing around it",
    answer: {
      description: streams ? "What the code yields, piece by piece." : "What the code answers.",
      content: streams
        ? { "application/octet-stream": { schema: { type: "string" } } }
        : { "application/json": output },
    },
    schemas: { ...named("Input", schemas?.input ?? {}), ...named("Output", schemas?.output ?? {}) },
    error: {
      description: "What code refuses with a value of its own stands in error.",
      type: "object",
      properties: { error: {} },
      required: ["error"],
    },
  };
}

function weightsParts(id: string): Parts {
  const describeZod = (schema: z.ZodType, io: "input" | "output") =>
    z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return {
    path: `/api/v1/deployments/${encodeURIComponent(id)}/generate`,
    summary: "Generate with Hugging Face's parameters and defaults",
    answer: {
      description: "What was generated; with stream: true text/event-stream instead.",
      content: {
        "application/json": { schema: { $ref: "#/components/schemas/Output" } },
        "text/event-stream": { schema: { type: "string" } },
      },
    },
    schemas: {
      ...named("Input", describeZod(predictBodySchema("corral"), "input")),
      ...named("Output", describeZod(generateAnswerSchema, "output")),
    },
    error: {
      description: "Problem details (RFC 9457).",
      type: "object",
      properties: {
        type: { type: "string" },
        title: { type: "string" },
        status: { type: "integer" },
        detail: { type: "string" },
        code: { type: "string" },
        errors: {
          type: "array",
          items: {
            type: "object",
            properties: {
              pointer: { type: "string" },
              code: { type: "string" },
              message: { type: "string" },
            },
            required: ["pointer", "code", "message"],
          },
        },
      },
      required: ["type", "title", "status", "detail", "code"],
    },
  };
}

/** More levels are not described. */
const deepest = 64;

/** A JSON schema as components of a document: its `$defs` beside it, and references to where they are then. */
export function named(name: string, schema: Json): Json {
  const { $defs, $schema: _, definitions, ...own } = schema;
  const parts = { ...asObject(definitions), ...asObject($defs) };
  const places = componentNames(name, Object.keys(parts));
  const moved = (reference: string) => {
    const [, written, inner = ""] = /^#\/(?:\$defs|definitions)\/([^/]+)(.*)$/.exec(reference) ?? [];
    const place = written === undefined ? undefined : places.get(nameInPointer(written));
    if (place !== undefined) return `#/components/schemas/${place}${inner}`;
    return reference.startsWith("#") ? `#/components/schemas/${name}${reference.slice(1)}` : reference;
  };
  return {
    [name]: moveSchema(own, moved, 0),
    ...Object.fromEntries(
      Object.entries(parts).map(([part, inner]) => [places.get(part), moveSchema(inner, moved, 0)]),
    ),
  };
}

/** Of each part, as OpenAPI lets components be named; parts whose names differ have names that differ. */
function componentNames(name: string, parts: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  // Those that stay as they are have the first choice, whatever comes before them.
  const plainFirst = parts.toSorted((one, other) => Number(isPlain(other)) - Number(isPlain(one)));
  return new Map(
    plainFirst.map((part) => {
      const plain = `${name}_${part.replace(notPlain, "_")}`;
      let unique = plain;
      for (let number = 2; taken.has(unique); number += 1) unique = `${plain}_${number}`;
      taken.add(unique);
      return [part, unique];
    }),
  );
}

const notPlain = /[^A-Za-z0-9._-]/g;
const isPlain = (part: string) => part.search(notPlain) === -1;

/** Of a JSON pointer in a fragment of a URL. Source: RFC 6901, section 6. */
function nameInPointer(written: string): string {
  return decoded(written).replaceAll("~1", "/").replaceAll("~0", "~");
}

function decoded(written: string): string {
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}

/** Values of these are data, not schemas. */
const data: ReadonlySet<string> = new Set(["const", "enum", "default", "examples", "example"]);
/** Values of these are schemas by names that mean nothing here, `default` and `$ref` among them. */
const byName: ReadonlySet<string> = new Set([
  "properties",
  "patternProperties",
  "dependentSchemas",
  "$defs",
  "definitions",
]);

type Moved = (reference: string) => string;

function moveSchema(schema: unknown, moved: Moved, depth: number): unknown {
  if (typeof schema !== "object" || schema === null) return schema;
  if (depth > deepest) return {};
  if (Array.isArray(schema)) return schema.map((one) => moveSchema(one, moved, depth + 1));
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (key === "$ref" && typeof value === "string") return [key, moved(value)];
      if (data.has(key)) return [key, value];
      return [key, byName.has(key) ? moveEach(value, moved, depth + 1) : moveSchema(value, moved, depth + 1)];
    }),
  );
}

function moveEach(schemas: unknown, moved: Moved, depth: number): unknown {
  return Object.fromEntries(
    Object.entries(asObject(schemas)).map(([name, schema]) => [name, moveSchema(schema, moved, depth)]),
  );
}

function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
