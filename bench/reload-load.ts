// Callers that stream without a pause while code is edited, and what became of their calls.

export interface LoadOptions {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly callers: number;
}

export interface LoadCount {
  readonly streams: number;
  /** Begun, and not read to their end. */
  readonly brokenOff: number;
  /** Refused, or never begun. */
  readonly failed: number;
}

export function startLoad({ url, key, model, callers }: LoadOptions): { stop(): Promise<LoadCount> } {
  let isOver = false;
  const count = { streams: 0, brokenOff: 0, failed: 0 };
  async function call(): Promise<void> {
    while (!isOver) {
      let hasBegun = false;
      try {
        const response = await fetch(`${url}/models/${model}/predict`, {
          method: "POST",
          headers: { authorization: `Api-Key ${key}`, "content-type": "application/json" },
          body: "{}",
        });
        hasBegun = response.status === 200;
        const text = await response.text();
        if (!hasBegun) count.failed += 1;
        else if (text.endsWith("|end")) count.streams += 1;
        else count.brokenOff += 1;
      } catch {
        count[hasBegun ? "brokenOff" : "failed"] += 1;
      }
    }
  }
  const running = Promise.all(Array.from({ length: callers }, call));
  return {
    async stop() {
      isOver = true;
      await running;
      return count;
    },
  };
}
