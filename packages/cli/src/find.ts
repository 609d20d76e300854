// What a person calls a deployment or a model → the one that is meant.

import { isServingError, ServingError, type Deployment, type DeploymentStatus } from "@corral/contract";
import { allOf, type Client } from "@corral/client";
import { canonicalIdentifier } from "@corral/weights";

/** The nearer to answering, the earlier. */
const preference: readonly DeploymentStatus[] = [
  "active",
  "idle",
  "starting",
  "unhealthy",
  "failed",
  "stopped",
];

/**
 * Deployments that `reference` may mean: by id alone, else by name, else by model or catalogue identifier; the
 * most useful first. With `modelFirst` a model's name means what answers it, as in a call's path. Fails with `deployment_not_found`, naming those there are.
 */
export async function findDeployments(
  client: Client,
  reference: string,
  { modelFirst = false } = {},
): Promise<readonly [Deployment, ...Deployment[]]> {
  const all: Deployment[] = [];
  for await (const deployment of allOf(client.deployments.list)) all.push(deployment);
  const identifier = canonicalIdentifier(reference);
  const ways: readonly ((deployment: Deployment) => boolean)[] = [
    ({ id }) => id === reference,
    ({ model_id, model_name, production }) =>
      modelFirst && production && (model_id === reference || model_name === reference),
    ({ name }) => name === reference,
    ({ model_id, model_name }) => model_id === reference || model_name === reference,
    ({ identifiers }) =>
      identifiers.includes(reference) || (identifier !== null && identifiers.includes(identifier)),
  ];
  for (const way of ways) {
    const [first, ...rest] = all.filter(way).sort(byUse);
    if (first !== undefined) return [first, ...rest];
  }
  // Other spellings of rows that the operator has added.
  const row = await client.catalogue.get(reference).catch(() => null);
  const [first, ...rest] = all
    .filter(({ identifiers }) => row !== null && identifiers.includes(row.identifier))
    .sort(byUse);
  if (first !== undefined) return [first, ...rest];
  const there =
    all.length === 0
      ? "there are none yet"
      : `there are ${[...new Set(all.map(({ name }) => name))].join(", ")}`;
  throw new ServingError(
    "deployment_not_found",
    `There is no deployment ${JSON.stringify(reference)}; ${there}.`,
  );
}

/**
 * What a call is addressed to: the id of the deployment that `reference` means, or `reference` itself where the key
 * may call deployments but not list them.
 */
export async function findCallee(client: Client, reference: string): Promise<string> {
  try {
    return (await findDeployments(client, reference, { modelFirst: true }))[0].id;
  } catch (error) {
    if (isServingError(error) && error.code === "forbidden") return reference;
    throw error;
  }
}

function byUse(a: Deployment, b: Deployment): number {
  const rank = preference.indexOf(a.status) - preference.indexOf(b.status);
  return rank !== 0 ? rank : b.created_at.localeCompare(a.created_at);
}
