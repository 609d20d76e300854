// The platform's metrics for Prometheus: what the replicas that this process supervises have counted.

import type { FastifyInstance } from "fastify";
import { principalOf } from "../gateway/answer-error.ts";
import { mayUseModel } from "../gateway/guard.ts";
import { exposition, expositionType } from "../metrics/exposition.ts";
import type { DeploymentSample } from "../replica/live-replica.ts";
import { noBacklog, readBacklogs } from "../store/backlogs.ts";
import type { Db } from "../store/schema.ts";

/** The deployments that this process supervises now. */
export type SampleDeployments = () => readonly DeploymentSample[];

export function registerMetricsRoute(
  app: FastifyInstance,
  db: Db,
  sampleDeployments: SampleDeployments,
): void {
  app.get(
    "/metrics",
    {
      config: { guard: "metrics" },
      schema: {
        summary: "Metrics of the key's deployments in Prometheus' text format",
        description: "Of the deployments that the answering platform process runs.",
        tags: ["metrics"],
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const visible = sampleDeployments().filter(
        ({ projectId, modelName }) => projectId === principal.projectId && mayUseModel(principal, modelName),
      );
      // What this process counted is there without the database, too.
      const backlogs = await readBacklogs(db, principal.projectId).catch(() => null);
      const samples = visible.map((sample) => ({
        ...sample,
        backlog: backlogs === null ? null : (backlogs.get(sample.deploymentName) ?? noBacklog),
      }));
      return reply.type(expositionType).send(await exposition(samples));
    },
  );
}
