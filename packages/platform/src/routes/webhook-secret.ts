// The secret that a project's deliveries are signed with: read it, replace it.

import { webhookSecretSchema } from "@corral/contract";
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { principalOf } from "../gateway/answer-error.ts";
import { rotateSecret, signingSecrets } from "../webhook/secret.ts";
import type { ManagementServices } from "./services.ts";

export function registerWebhookSecretRoutes(plain: FastifyInstance, services: ManagementServices): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const tags = ["webhooks"];

  app.get(
    "/api/v1/webhook-secret",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Read the secret that deliveries are signed with",
        tags,
        response: { 200: webhookSecretSchema },
      },
    },
    async (request, reply) => {
      const [secret = ""] = await signingSecrets(services, principalOf(request).projectId);
      return reply.header("cache-control", "no-store").send({ secret });
    },
  );

  app.post(
    "/api/v1/webhook-secret/rotate",
    {
      config: { guard: "admin" },
      schema: {
        summary: "Replace the secret of deliveries; for 24 hours the old one signs as well",
        tags,
        response: { 200: webhookSecretSchema },
      },
    },
    async (request, reply) => {
      const secret = await rotateSecret(services, principalOf(request).projectId);
      return reply.header("cache-control", "no-store").send({ secret });
    },
  );
}
