// The LoRA adapters that calls may name: those of the version and those that were added to the deployment. One that is
// taken away is freed when the last call that uses it has ended. Knows no native code.

import {
  asServingError,
  callersPlace,
  fieldsError,
  type ReplicaAdapter,
  type ReplicaAdapters,
  type ReplicaAdaptersAnswer,
} from "@corral/contract";
import { unknownAdapter } from "@corral/engine";
import type { LoadedModel } from "./loaded-model.ts";
import type { Log } from "./log.ts";

/** Keeps an adapter until it is released, once. */
export interface AdapterUse {
  /** What the engine calls it: stands for its content. */
  readonly key: string;
  release(): void;
}

export interface AdapterTable {
  /** In the order in which they came. */
  names(): readonly string[];
  /** Null where there is none of that name. */
  use(name: string): AdapterUse | null;
  /** Those of the version. Fails with what is wrong with one. */
  loadOwn(adapters: readonly ReplicaAdapter[]): Promise<void>;
  /** The list in place of the one before, unless that was a later one. One that cannot be loaded is a problem, no error. */
  setAdded(list: ReplicaAdapters): Promise<ReplicaAdaptersAnswer>;
}

/** The content of an adapter, whatever names lead to it. */
interface Loaded {
  readonly sha256: string;
  readonly handle: AsyncDisposable;
  nameCount: number;
  useCount: number;
}

interface Named {
  readonly loaded: Loaded;
  readonly isOwn: boolean;
}

export interface AdapterTableOptions {
  readonly load: LoadedModel["loadAdapter"];
  readonly log: Log;
}

export function createAdapterTable({ load, log }: AdapterTableOptions): AdapterTable {
  const named = new Map<string, Named>();
  const contents = new Map<string, Loaded>();
  let revision = -1;
  let problems: ReplicaAdaptersAnswer["problems"] = [];
  /** Changes come one after another. Never rejects. */
  let changes: Promise<unknown> = Promise.resolve();

  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = changes.then(work);
    changes = done.catch(() => undefined);
    return done;
  }

  async function add({ name, path, sha256 }: ReplicaAdapter, isOwn: boolean): Promise<void> {
    let loaded = contents.get(sha256);
    if (loaded === undefined) {
      const handle = await load({ key: sha256, path, sha256 });
      loaded = { sha256, handle, nameCount: 0, useCount: 0 };
      contents.set(sha256, loaded);
    }
    loaded.nameCount += 1;
    named.set(name, { loaded, isOwn });
    log.info("an adapter is loaded", { name, sha256 });
  }

  function takeAway(name: string, { loaded }: Named): void {
    named.delete(name);
    loaded.nameCount -= 1;
    log.info("an adapter is taken away", { name, sha256: loaded.sha256, calls: loaded.useCount });
    freeUnused(loaded);
  }

  function freeUnused(loaded: Loaded): void {
    if (loaded.nameCount > 0 || loaded.useCount > 0) return;
    contents.delete(loaded.sha256);
    loaded.handle[Symbol.asyncDispose]().then(
      () => log.info("an adapter is freed", { sha256: loaded.sha256 }),
      (error: unknown) => log.error("an adapter is not freed", { error: String(error) }),
    );
  }

  async function replaceAdded({ adapters }: ReplicaAdapters): Promise<void> {
    const wanted = new Map(adapters.map((adapter) => [adapter.name, adapter]));
    for (const [name, one] of named) {
      if (!one.isOwn && wanted.get(name)?.sha256 !== one.loaded.sha256) takeAway(name, one);
    }
    const found: ReplicaAdaptersAnswer["problems"] = [];
    for (const adapter of wanted.values()) {
      if (named.has(adapter.name)) continue;
      try {
        await add(adapter, false);
      } catch (error) {
        const { code, message } = asServingError(error);
        log.warn("an adapter is left out", { name: adapter.name, reason: message });
        found.push({ name: adapter.name, code, detail: message });
      }
    }
    problems = found;
  }

  return {
    names: () => [...named.keys()],
    use(name) {
      const loaded = named.get(name)?.loaded;
      if (loaded === undefined) return null;
      loaded.useCount += 1;
      let isReleased = false;
      return {
        key: loaded.sha256,
        release() {
          if (isReleased) return;
          isReleased = true;
          loaded.useCount -= 1;
          freeUnused(loaded);
        },
      };
    },
    loadOwn: (adapters) =>
      inTurn(async () => {
        for (const adapter of adapters) await add(adapter, true);
      }),
    setAdded: (list) =>
      inTurn(async () => {
        // A list that was sent before another one may come after it.
        if (list.revision >= revision) {
          revision = list.revision;
          await replaceAdded(list);
        }
        return { names: [...named.keys()], problems };
      }),
  };
}

/** For a call that names one, or none. Fails where it was taken away since the call was read. */
export function useAdapter(table: AdapterTable, name: string | null): AdapterUse | null {
  if (name === null) return null;
  const use = table.use(name);
  if (use !== null) return use;
  throw fieldsError([unknownAdapter(name, table.names(), callersPlace("adapter"))]);
}
