// The engines of one replica: the one for everybody, and one for deterministic generations, which has a context of its
// own and is opened when first asked for. Both compute on the process's one pool thread, so neither disturbs the other.

import { ServingError } from "@corral/contract";
import type { Engine, EngineLoad, ModelRunner, ValidGeneration } from "@corral/engine";

export interface Engines {
  readonly shared: Engine;
  /** The engine that is to carry out a generation. Fails with `context_too_large` where its context has no room. */
  engineFor(generation: ValidGeneration): Promise<Engine>;
  /** Of each engine that is open. */
  loads(): readonly [EngineLoad, ...EngineLoad[]];
  stop(options: { readonly drain: boolean }): Promise<void>;
}

export interface EnginesOptions {
  readonly shared: Engine;
  /** Another runner over the same weights, with a context of its own and a number of threads that never changes. */
  readonly openRunner: () => Promise<ModelRunner>;
  readonly createExclusive: (runner: ModelRunner) => Engine;
  /** An engine's loop failed. */
  readonly onFailure: (error: unknown) => void;
}

export function createEngines({ shared, openRunner, createExclusive, onFailure }: EnginesOptions): Engines {
  let opening: Promise<Engine> | null = null;
  let exclusive: { readonly engine: Engine; readonly runner: ModelRunner } | null = null;
  let isStopping = false;

  async function openExclusive(): Promise<Engine> {
    const runner = await openRunner();
    if (isStopping) {
      runner[Symbol.dispose]();
      throw new ServingError("shutting_down", "The replica is shutting down; another one will answer.");
    }
    const engine = createExclusive(runner);
    exclusive = { engine, runner };
    engine.run().catch(onFailure);
    return engine;
  }

  shared.run().catch(onFailure);
  return {
    shared,
    async engineFor(generation) {
      if (!generation.deterministic) return shared;
      // A failure is the caller's; the next one may find more memory.
      opening ??= openExclusive().catch((error: unknown) => {
        opening = null;
        throw error;
      });
      return await opening;
    },
    loads: () => (exclusive === null ? [shared.load()] : [shared.load(), exclusive.engine.load()]),
    async stop(options) {
      isStopping = true;
      const others = exclusive;
      await Promise.allSettled([shared.stop(options), others?.engine.stop(options)]);
      others?.runner[Symbol.dispose]();
    },
  };
}
