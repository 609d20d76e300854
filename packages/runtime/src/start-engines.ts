// A loaded model → its engines, with the limits of the replica's configuration.

import { createEngine, type Clock, type Engine, type ModelRunner } from "@corral/engine";
import { createEngines, type Engines } from "./engines.ts";
import type { LoadedModel, ModelReplicaConfig } from "./loaded-model.ts";
import type { Log } from "./log.ts";
import { openPrefixFiles } from "./prefix-files.ts";

export interface StartEnginesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** An engine's loop failed. */
  readonly onFailure: (error: unknown) => void;
}

/** They run at once. */
export function startEngines(
  config: ModelReplicaConfig,
  model: LoadedModel,
  options: StartEnginesOptions,
): Engines {
  return createEngines({
    shared: sharedEngine(config, model, options),
    openRunner: () => model.createExclusiveRunner(),
    createExclusive: (runner) => exclusiveEngine(config, model, runner, options),
    onFailure: options.onFailure,
  });
}

function sharedEngine(
  config: ModelReplicaConfig,
  model: LoadedModel,
  { clock, log }: StartEnginesOptions,
): Engine {
  const { runner, draftRunners, vocabulary, stateFormat } = model;
  const { limits, prefix_store: store, weights, precision, cache_type: cacheType, integrity_checks } = config;
  const kind = cacheType === undefined ? [] : [cacheType];
  const identity = [weights.sha256, precision, ...kind, stateFormat].join(" ");
  return createEngine({
    runner,
    draftRunners,
    vocabulary,
    clock,
    maxStepMs: limits.max_step_ms,
    maxWaitingGroupCount: limits.queue_length,
    integrityChecks: integrity_checks,
    prefixStore:
      store === null
        ? null
        : openPrefixFiles({ directory: store.directory, limitBytes: store.limit_bytes, identity, log }),
  });
}

function exclusiveEngine(
  { limits, integrity_checks }: ModelReplicaConfig,
  { vocabulary }: LoadedModel,
  runner: ModelRunner,
  { clock }: StartEnginesOptions,
): Engine {
  return createEngine({
    runner,
    vocabulary,
    clock,
    isExclusive: true,
    maxWaitingGroupCount: limits.queue_length,
    integrityChecks: integrity_checks,
  });
}
