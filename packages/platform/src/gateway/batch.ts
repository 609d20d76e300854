// Many look-ups of one turn of the event loop become one query. Nothing is kept afterwards: what was changed
// through another process is seen by the next look-up.

/** Loads the values of several keys; a key that is not in the map has none. */
export type LoadMany<Value> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>;

/** A look-up of one key whose calls within the same turn share one `load`. */
export function batchPerTick<Value>(load: LoadMany<Value>): (key: string) => Promise<Value | null> {
  let waiting: Map<string, PromiseWithResolvers<Value | null>> | null = null;

  async function flush(batch: Map<string, PromiseWithResolvers<Value | null>>): Promise<void> {
    try {
      const found = await load([...batch.keys()]);
      for (const [key, { resolve }] of batch) resolve(found.get(key) ?? null);
    } catch (error) {
      for (const { reject } of batch.values()) reject(error);
    }
  }

  return (key) => {
    if (waiting === null) {
      const batch = new Map<string, PromiseWithResolvers<Value | null>>();
      waiting = batch;
      setImmediate(() => {
        waiting = null;
        void flush(batch);
      });
    }
    let answer = waiting.get(key);
    if (answer === undefined) {
      answer = Promise.withResolvers<Value | null>();
      waiting.set(key, answer);
    }
    return answer.promise;
  };
}
