// Many look-ups become one query: those of one turn of the event loop, and those that come while a query is under way.
// Nothing is kept afterwards: what was changed through another process is seen by the next look-up.

/** Loads the values of several keys; a key that is not in the map has none. */
export type LoadMany<Value> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>;

/** So long look-ups wait for a query that is under way: as a rule it is answered before. */
const gatherMs = 2;

/** A look-up of one key. It is loaded after it was asked for, and shares its `load` with others of about that time. */
export function batchLookups<Value>(load: LoadMany<Value>): (key: string) => Promise<Value | null> {
  type Waiting = Map<string, PromiseWithResolvers<Value | null>>;
  let waiting: Waiting | null = null;
  let timer: NodeJS.Timeout | null = null;
  let loadingCount = 0;

  async function flush(batch: Waiting): Promise<void> {
    loadingCount += 1;
    try {
      const found = await load([...batch.keys()]);
      for (const [key, { resolve }] of batch) resolve(found.get(key) ?? null);
    } catch (error) {
      for (const { reject } of batch.values()) reject(error);
    } finally {
      loadingCount -= 1;
      if (timer !== null && loadingCount === 0) start();
    }
  }
  function start(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const batch = waiting;
    waiting = null;
    if (batch !== null) void flush(batch);
  }
  function gather(): Waiting {
    if (loadingCount === 0) setImmediate(start);
    else timer = setTimeout(start, gatherMs);
    return new Map();
  }

  return (key) => {
    waiting ??= gather();
    let answer = waiting.get(key);
    if (answer === undefined) {
      answer = Promise.withResolvers<Value | null>();
      waiting.set(key, answer);
    }
    return answer.promise;
  };
}
