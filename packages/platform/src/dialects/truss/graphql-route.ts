// `POST /graphql/`: JSON with variables, or the form that commands of 2024 send.

import { parseJson } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { readDocument } from "./graphql-document.ts";
import { graphQlErrorAnswer } from "./graphql-error.ts";
import { requireField } from "./graphql-fields.ts";
import { contextOf, type TrussServices } from "./services.ts";

/** The longest is a patch with the files of an edit in it. */
const bodyLimit = 16 * 1024 * 1024;

const bodySchema = z.looseObject({
  query: z.string(),
  variables: z
    .record(z.string(), z.unknown())
    .nullish()
    .transform((given) => given ?? {}),
});

/** To be registered in a scope of its own: it takes forms, too. */
export function registerGraphQlRoute(plain: FastifyInstance, services: TrussServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.removeAllContentTypeParsers();
  const parsers = { "application/json": parseJson, "application/x-www-form-urlencoded": readForm };
  for (const [type, read] of Object.entries(parsers)) {
    app.addContentTypeParser(type, { parseAs: "string", bodyLimit }, (_request, body, done) => {
      try {
        done(null, read(body as string));
      } catch (error) {
        done(error as Error);
      }
    });
  }
  for (const url of ["/graphql/", "/graphql"]) {
    app.post(
      url,
      {
        config: { guard: "read", errorAnswer: graphQlErrorAnswer },
        schema: { summary: "Truss: the calls of its command line", tags: ["truss"], body: bodySchema },
      },
      async (request, reply) => {
        const { query, variables } = request.body;
        const { operation, fields } = readDocument(query, variables);
        const context = contextOf(services, request);
        const definitions = fields.map((field) => [field, requireField(context, operation, field)] as const);
        const data: Record<string, unknown> = {};
        for (const [field, definition] of definitions)
          data[field.key] = await definition.answer(context, field);
        return reply.send({ data });
      },
    );
  }
}

function readForm(text: string): unknown {
  const form = new URLSearchParams(text);
  return { query: form.get("query") ?? undefined, variables: parseJson(form.get("variables") ?? "{}") };
}
