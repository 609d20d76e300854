// A prefix store in memory: outlives an engine, and can be damaged by a test.

import type { PrefixStore, StoredPrefix } from "../prefix-store.ts";

export interface MemoryPrefixStore extends PrefixStore {
  readonly files: Map<string, { readonly stored: StoredPrefix; state: Uint8Array }>;
  /** Writes and reads fail from now on. */
  isBroken: boolean;
}

export function createMemoryPrefixStore(): MemoryPrefixStore {
  const files: MemoryPrefixStore["files"] = new Map();
  return {
    files,
    isBroken: false,
    get entries() {
      return [...files.values()].map(({ stored }) => stored);
    },
    write(namespace, ids, state) {
      if (this.isBroken) return Promise.resolve(null);
      const key = `${namespace} ${ids.join()}`;
      const stored = { key, namespace, ids: [...ids] };
      files.set(key, { stored, state: state.slice() });
      return Promise.resolve({ stored, removedKeys: [] });
    },
    read(key) {
      return Promise.resolve(this.isBroken ? null : (files.get(key)?.state ?? null));
    },
  };
}
