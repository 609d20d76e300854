// `wake`: loads a deployment before it is called. The paths stand beside those of its calls.

import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { AddressedDeployment } from "../../gateway/address-book.ts";
import { requireModel } from "../../gateway/guard.ts";
import { principalOf } from "../../gateway/answer-error.ts";
import { addressesOf, type PredictServices } from "../../gateway/forward-call.ts";
import { modelAddresses } from "../../gateway/model-address-routes.ts";
import { selectReplica } from "../../gateway/select-replica.ts";
import { restErrorAnswer } from "./rest-error.ts";

/** So long its load is waited for; nobody waits for the answer. */
const wakeMs = 10 * 60_000;

/** To be registered in a scope of its own: its parsers read nothing. */
export function registerWakeRoutes(app: FastifyInstance, services: PredictServices): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  const config = { guard: "predict", errorAnswer: restErrorAnswer, addressed: true } as const;
  const wakeable = [
    ...modelAddresses.map(({ path, what, find }) => ({ path, what, find })),
    {
      path: "/model_versions/:deployment",
      what: "a deployment",
      find: ((addresses, { deployment = "" }) => addresses.byDeployment(deployment)) satisfies Find,
    },
  ];
  for (const { path, what, find } of wakeable) {
    app.post(
      `${path}/wake`,
      {
        config,
        schema: { summary: `Baseten: load ${what} before it is called`, tags: ["baseten"], body: z.any() },
      },
      async (request, reply) => {
        const addresses = await addressesOf(request, services.addresses);
        const target = find(addresses, request.params as Parameters<Find>[1]);
        requireModel(principalOf(request), target.modelName);
        await wake(services, target);
        return await reply.code(202).send({});
      },
    );
  }
}

type Find = (typeof modelAddresses)[number]["find"];

async function wake({ loads, replicasOf }: PredictServices, target: AddressedDeployment): Promise<void> {
  if (selectReplica(await replicasOf(target.id)) !== null) return;
  const place = loads.wait(target, 0);
  const over = sleep(wakeMs, undefined, { ref: false });
  void Promise.race([place.loaded(), over])
    .catch(() => undefined)
    .finally(() => place[Symbol.dispose]());
}
