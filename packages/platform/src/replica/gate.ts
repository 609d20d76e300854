// A gate that others open and close: who comes while it is closed waits.

export interface Gate {
  open(): void;
  close(): void;
  /** Resolves once it is open, at the latest when `signal` is aborted. */
  passed(signal: AbortSignal): Promise<void>;
}

export function createGate(): Gate {
  let isOpen = false;
  let opened = Promise.withResolvers<void>();
  return {
    open() {
      isOpen = true;
      opened.resolve();
    },
    close() {
      if (isOpen) opened = Promise.withResolvers<void>();
      isOpen = false;
    },
    async passed(signal) {
      if (isOpen || signal.aborted) return;
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => aborted.resolve(), { once: true });
      await Promise.race([opened.promise, aborted.promise]);
    },
  };
}
