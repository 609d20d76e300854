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
      content: { "application/json": { schema: { $ref: "#/components/schemas/Output" } } },
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
  const moved = (reference: string) => {
    const [, place, inner = ""] = /^#\/(?:\$defs|definitions)\/([^/]+)(.*)$/.exec(reference) ?? [];
    if (place !== undefined) return `#/components/schemas/${name}_${componentName(place)}${inner}`;
    return reference.startsWith("#") ? `#/components/schemas/${name}${reference.slice(1)}` : reference;
  };
  const parts = { ...asObject(definitions), ...asObject($defs) };
  return {
    [name]: move(own, moved, 0),
    ...Object.fromEntries(
      Object.entries(parts).map(([part, inner]) => [`${name}_${componentName(part)}`, move(inner, moved, 0)]),
    ),
  };
}

/** As OpenAPI writes the names of components. */
function componentName(name: string): string {
  return name.replace(/~1|~0|[^A-Za-z0-9._-]/g, "_");
}

/** Values of these are data, not schemas. */
const data: ReadonlySet<string> = new Set(["const", "enum", "default", "examples", "example"]);

function move(schema: unknown, moved: (reference: string) => string, depth: number): unknown {
  if (typeof schema !== "object" || schema === null) return schema;
  if (depth > deepest) return {};
  if (Array.isArray(schema)) return schema.map((one) => move(one, moved, depth + 1));
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (key === "$ref" && typeof value === "string") return [key, moved(value)];
      return [key, data.has(key) ? value : move(value, moved, depth + 1)];
    }),
  );
}

function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
