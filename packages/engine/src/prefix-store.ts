// Port: where computed prefixes survive eviction and restarts. `@corral/runtime` keeps them in files; one store is for
// one model's weights in one precision, whatever it calls them.

export interface StoredPrefix {
  /** Names the prefix by its content. */
  readonly key: string;
  readonly namespace: string;
  readonly ids: readonly number[];
}

export interface WrittenPrefix {
  readonly stored: StoredPrefix;
  /** Keys of what went to make room. */
  readonly removedKeys: readonly string[];
}

/** No call rejects: what cannot be kept is computed again. */
export interface PrefixStore {
  /** What was there when the store was opened. */
  readonly entries: readonly StoredPrefix[];
  /** Null where it could not be written. */
  write(namespace: string, ids: readonly number[], state: Uint8Array): Promise<WrittenPrefix | null>;
  /** Valid until the next one is read; null where it is gone, was altered or cannot be read. */
  read(key: string): Promise<Uint8Array | null>;
}
