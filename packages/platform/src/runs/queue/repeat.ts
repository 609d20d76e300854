// A step that is done again and again: after a pause that it names, or as soon as somebody asks for it.

export interface Repeated {
  /** The next step begins at once, or right after the one under way. */
  wake(): void;
  /** No step begins any more; resolves when none is under way. */
  close(): Promise<void>;
}

/** @param step gives the milliseconds until the next one; never rejects */
export function repeat(step: () => Promise<number>): Repeated {
  let closed = false;
  let again = false;
  let endPause = (): void => {};

  async function pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    endPause = () => {};
  }

  const running = (async () => {
    while (!closed) {
      again = false;
      const pauseMs = await step();
      // Set meanwhile, which the compiler does not see.
      if (pauseMs > 0 && !(again as boolean) && !(closed as boolean)) await pause(pauseMs);
    }
  })();

  return {
    wake() {
      again = true;
      endPause();
    },
    async close() {
      closed = true;
      endPause();
      await running;
    },
  };
}
