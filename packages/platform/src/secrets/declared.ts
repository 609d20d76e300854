// Which secrets a version is given: those that its config declares, and those that its weights on a hub are fetched with.

import type { Manifest } from "@corral/bundle";
import { findSecrets, secretPlace } from "../store/secrets.ts";
import type { Db } from "../store/schema.ts";
import type { Sealing } from "./sealing.ts";

/** Values by name. */
export type SecretValues = Readonly<Record<string, string>>;

/** Gives what a version may know of its project's secrets; what the project lacks is not among it. */
export type ReadSecrets = (projectId: string, manifest: Pick<Manifest, "truss">) => Promise<SecretValues>;

export function createReadSecrets(db: Db, sealing: Sealing): ReadSecrets {
  return async (projectId, { truss }) => {
    if (truss === undefined) return {};
    const names = [...new Set([...Object.keys(truss.secrets), ...hubSecretNames(truss)])];
    const rows = await findSecrets(db, projectId, names);
    return Object.fromEntries(
      rows.map(({ id, name, sealed }) => [name, sealing.open(sealed, secretPlace(id))]),
    );
  };
}

/** Of repositories that a config names for its code. */
export function hubSecretNames({
  modelCache,
  weights,
}: Pick<NonNullable<Manifest["truss"]>, "modelCache" | "weights">): string[] {
  return [...modelCache.map(({ runtimeSecretName }) => runtimeSecretName), ...weights.map(hubSecretOf)];
}

export function hubSecretOf({
  authSecretName,
  auth,
}: NonNullable<Manifest["truss"]>["weights"][number]): string {
  const secret = authSecretName ?? auth?.["authSecretName"];
  return typeof secret === "string" ? secret : "hf_access_token";
}
