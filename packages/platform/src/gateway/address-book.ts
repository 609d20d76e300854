// From what a caller wrote in the path to the deployment that is meant. Names are looked up each time, many in one
// query; nothing is remembered, so a new production deployment counts from the next call on.

import { ServingError, type DeploymentStatus } from "@corral/contract";
import { builtInCatalogue, type Catalogue } from "@corral/weights";

export interface AddressedDeployment {
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly modelId: string;
  readonly modelName: string;
  /** As its author writes it. */
  readonly modelTitle: string;
  readonly status: DeploymentStatus;
  readonly statusDetail: string | null;
  readonly identifiers: readonly string[];
  /** Whether it is its model's production deployment. */
  readonly production: boolean;
  /** Whether it is its model's development deployment, whose code changes. */
  readonly development: boolean;
  /** Whether outputs of its project's runs are kept where a call does not say. */
  readonly storesRuns: boolean;
  /** When it was last asked for, in milliseconds since the epoch. */
  readonly deployedAtMs: number;
}

/** Every deployment of a project that is not deleted. */
export type ListAddressed = (projectId: string) => Promise<readonly AddressedDeployment[]>;

export interface AddressBook {
  /** A project's addresses as they are now. */
  open(projectId: string): Promise<Addresses>;
}

/** Each fails with `deployment_not_found` or `model_not_found` and what was probably meant. */
export interface Addresses {
  byDeployment(idOrName: string): AddressedDeployment;
  byModel(idOrName: string): AddressedDeployment;
  byIdentifier(identifier: string): AddressedDeployment;
  /** Whatever of these it is: a deployment's or model's id first, then as an identifier. */
  byAny(name: string): AddressedDeployment;
  readonly all: readonly AddressedDeployment[];
}

export function createAddressBook(list: ListAddressed, catalogue: Catalogue = builtInCatalogue): AddressBook {
  return { open: async (projectId) => addressesOf(await list(projectId), catalogue) };
}

function addressesOf(deployments: readonly AddressedDeployment[], catalogue: Catalogue): Addresses {
  return {
    byDeployment(idOrName) {
      const found =
        deployments.find(({ id }) => id === idOrName) ?? deployments.find(({ name }) => name === idOrName);
      if (found !== undefined) return found;
      throw new ServingError(
        "deployment_not_found",
        notFound(
          "deployment",
          idOrName,
          deployments.map(({ name }) => name),
        ),
      );
    },
    byModel(idOrName) {
      const found =
        ofModel(deployments, (one) => one.modelId === idOrName) ??
        ofModel(deployments, (one) => one.modelName === idOrName);
      if (found !== undefined) return found;
      throw new ServingError(
        "model_not_found",
        notFound(
          "model with a deployment",
          idOrName,
          deployments.map(({ modelName }) => modelName),
        ),
      );
    },
    byIdentifier(identifier) {
      const found = findByIdentifier(deployments, identifier, catalogue);
      if (found !== undefined) return found;
      throw new ServingError("model_not_found", unknownIdentifier(identifier, deployments, catalogue));
    },
    byAny(name) {
      const found =
        deployments.find(({ id }) => id === name) ??
        ofModel(deployments, ({ modelId }) => modelId === name) ??
        findByIdentifier(deployments, name, catalogue);
      if (found !== undefined) return found;
      throw new ServingError("model_not_found", unknownIdentifier(name, deployments, catalogue));
    },
    all: deployments,
  };
}

/** The production deployment of a model, else its newest one. */
export function ofModel(
  deployments: readonly AddressedDeployment[],
  isOfModel: (deployment: AddressedDeployment) => boolean,
): AddressedDeployment | undefined {
  const own = deployments.filter(isOfModel).toSorted((a, b) => b.deployedAtMs - a.deployedAtMs);
  return own.find(({ production }) => production) ?? own[0];
}

/**
 * A model's name leads to its production deployment, then come names of deployments, then catalogue identifiers;
 * of these a stand-in (a tiny model under a big one's identifier) is the last choice.
 */
export function findByIdentifier(
  deployments: readonly AddressedDeployment[],
  identifier: string,
  catalogue: Catalogue = builtInCatalogue,
): AddressedDeployment | undefined {
  const spellings = [...new Set([identifier, catalogue.find(identifier)?.identifier ?? identifier])];
  for (const spelling of spellings) {
    const named =
      ofModel(deployments, ({ modelName }) => modelName === spelling) ??
      deployments.find(({ name }) => name === spelling);
    if (named !== undefined) return named;
  }
  const isStandIn = ({ modelName }: AddressedDeployment) =>
    spellings.some((spelling) => catalogue.find(modelName)?.standsInFor.includes(spelling));
  const rank = (one: AddressedDeployment) =>
    (isStandIn(one) ? 4 : 0) +
    (one.status === "active" || one.status === "idle" ? 0 : 2) +
    (one.production ? 0 : 1);
  return deployments
    .filter(({ identifiers }) => identifiers.some((own) => spellings.includes(own)))
    .toSorted((a, b) => rank(a) - rank(b) || b.deployedAtMs - a.deployedAtMs)[0];
}

const remedy = "`corral ls` lists what there is, `corral deploy` and `corral push` add to it.";

function unknownIdentifier(
  identifier: string,
  deployments: readonly AddressedDeployment[],
  catalogue: Catalogue,
): string {
  const canonical = catalogue.find(identifier)?.identifier ?? null;
  const quoted = JSON.stringify(identifier.slice(0, 100));
  if (canonical !== null)
    return `${quoted} is in the catalogue but not deployed here; deploy it with \`corral deploy ${canonical}\`.`;
  const near = nearestNames(
    identifier,
    deployments.flatMap(({ name, identifiers }) => [name, ...identifiers]),
  );
  const suggestions = [...new Set([...near, ...catalogue.suggest(identifier)])].slice(0, 3);
  return `There is no model ${quoted} here. ${suggestions.length > 0 ? `Did you mean ${suggestions.join(" or ")}? ` : ""}${remedy}`;
}

function notFound(what: string, name: string, known: readonly string[]): string {
  const near = nearestNames(name, known);
  const hint = near.length > 0 ? `Did you mean ${near.join(" or ")}? ` : "";
  return `There is no ${what} ${JSON.stringify(name.slice(0, 100))}. ${hint}${remedy}`;
}

/** Up to three known names that share a beginning of at least three characters with `name`, longest first. */
function nearestNames(name: string, known: readonly string[]): string[] {
  const wanted = name.toLowerCase();
  const shared = (other: string) => {
    let length = 0;
    while (length < wanted.length && wanted[length] === other[length]) length += 1;
    return length;
  };
  return [...new Set(known)]
    .map((other) => ({ other, length: shared(other) }))
    .filter(({ length }) => length >= 3)
    .sort((a, b) => b.length - a.length)
    .slice(0, 3)
    .map(({ other }) => other);
}
