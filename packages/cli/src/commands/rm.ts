// `corral rm`: a deployment, or a model with all of its deployments.

import { ServingError, isServingError } from "@corral/contract";
import { required, type CommandDefinition } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { findDeployments } from "../find.ts";

export const rm: CommandDefinition = {
  name: "rm",
  summary: "Stop and delete a deployment, or with --model a model and all its deployments.",
  details: "Runs and usage stay.",
  arguments: [{ name: "<name>", summary: "a deployment's id or name; with --model a model's" }],
  options: [{ flags: "--model", summary: "delete the model of this name and all its deployments" }],
  examples: [
    ["corral rm my-model", "the deployment of that name"],
    ["corral rm my-model --model", "the model and everything of it"],
  ],
  async run(context, args, options) {
    const client = context.client();
    const { signal } = context;
    const reference = required(args, 0);
    if (options["model"] === true) {
      const model = await client.models.get(reference, { signal });
      await client.models.delete(model.id, { signal });
      context.print(
        { model: model.id, name: model.name, deleted: true },
        () => `deleted model ${model.name} (${model.id})`,
      );
      return;
    }
    const found = await findDeployments(client, reference).catch(async (error: unknown) => {
      if (!isServingError(error) || error.code !== "deployment_not_found") throw error;
      const model = await client.models.get(reference, { signal }).catch(() => null);
      throw model === null
        ? error
        : new ServingError(
            "deployment_not_found",
            `${reference} is a model without deployments; --model deletes it.`,
          );
    });
    const [deployment] = found;
    // A model's name or an identifier may mean several; what is deleted must be named.
    if (found.length > 1 || ![deployment.id, deployment.name].includes(reference)) {
      const ids = found.map(({ id, name }) => `${id} (${name})`).join(", ");
      throw new UsageError(
        `${reference} leads to ${ids}; give the deployment's id, or --model for the model and all of it.`,
      );
    }
    await client.deployments.delete(deployment.id, { signal });
    context.print(
      { deployment: deployment.id, name: deployment.name, deleted: true },
      () => `deleted ${deployment.name} (${deployment.id})`,
    );
  },
};
