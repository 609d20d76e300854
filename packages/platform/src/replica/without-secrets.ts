// A replica's configuration as it may lie in a file, and what it must be told otherwise. Pure.

import type { ReplicaConfig, ReplicaSecrets } from "@corral/contract";

export interface Apart {
  readonly written: ReplicaConfig;
  /** Null: it has none. */
  readonly secrets: ReplicaSecrets | null;
}

export function withoutSecrets(config: ReplicaConfig): Apart {
  const { code } = config;
  if (code === undefined) return { written: config, secrets: null };
  const { secrets, python, ...rest } = code;
  const { hub_secrets: hubSecrets = {}, ...pythonRest } = python ?? {};
  if (Object.keys(secrets).length + Object.keys(hubSecrets).length === 0)
    return { written: config, secrets: null };
  return {
    written: {
      ...config,
      code: {
        ...rest,
        secrets: {},
        ...(python === undefined ? {} : { python: pythonRest as typeof python }),
      },
      secrets_on_stdin: true,
    },
    secrets: { secrets, hub_secrets: hubSecrets },
  };
}
