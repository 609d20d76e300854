// Which deployment a model's name leads to, and which environment a deployment is in for that. Pure.

export interface NamedDeployment {
  readonly id: string;
  readonly model_id: string;
  readonly development: boolean;
  readonly deployed_at: Date;
  /** It has its model's name. */
  readonly production: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Of the one environment that there is. */
const production = "production";

/**
 * Whether a deployment that begins to answer takes its model's name: a development deployment only where there is no
 * other, of others the later one.
 * @param holder who has it; undefined: nobody
 */
export function takesName(
  one: Pick<NamedDeployment, "deployed_at" | "development" | "settings">,
  holder: Pick<NamedDeployment, "deployed_at" | "development"> | undefined,
): boolean {
  if (holder === undefined) return true;
  // A truss that was pushed without being promoted answers beside the one that has the name.
  if (!holder.development && one.settings["promote"] === false) return false;
  if (one.development !== holder.development) return holder.development;
  return one.deployed_at >= holder.deployed_at;
}

/**
 * The environment's name; null: none, as for one that another took the name from. A deployment that will take the name
 * when it begins to answer is in the environment before: its code is loaded for it.
 * @param all deployments that are not deleted
 */
export function environmentOf(one: NamedDeployment, all: readonly NamedDeployment[]): string | null {
  if (one.development) return null;
  if (one.production) return production;
  const holder = all.find((other) => other.production && other.model_id === one.model_id);
  return takesName(one, holder) ? production : null;
}
