// What happens, on stderr: a spinner on a terminal, one line a step elsewhere, nothing with JSON output.

export interface Progress {
  /** Shows `text` while `work` runs, then its result's text; the error is the caller's to show. */
  step<Result>(
    text: string,
    work: (update: (text: string) => void) => Promise<Result>,
    done?: (result: Result) => string,
  ): Promise<Result>;
}

export const silentProgress: Progress = {
  step: (_, work) => work(() => undefined),
};

/** Where nothing can be overwritten, a long step tells now and then how far it is. */
const linePauseMs = 5_000;

export function lineProgress(
  write: (line: string) => void,
  now: () => number = () => performance.now(),
): Progress {
  return {
    async step(text, work, done) {
      write(`${text} …`);
      let last = { at: now(), text };
      const result = await work((update) => {
        if (update === last.text || now() - last.at < linePauseMs) return;
        last = { at: now(), text: update };
        write(update);
      });
      if (done !== undefined) write(done(result));
      return result;
    },
  };
}

/** A terminal that cannot move its cursor, or tells no width, gets lines. */
export function canSpin(
  output: NodeJS.WriteStream,
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  return output.isTTY && output.columns >= 20 && environment["TERM"] !== "dumb";
}

export function spinnerProgress(output: NodeJS.WriteStream): Progress {
  return {
    async step(text, work, done) {
      const { spinner } = await import("@clack/prompts");
      // Its own signal handling would end the process before the command has cleaned up.
      const shown = spinner({ output, indicator: "timer", onCancel: () => undefined });
      shown.start(text);
      try {
        const result = await work((update) => shown.message(update));
        shown.stop(done?.(result) ?? text);
        return result;
      } catch (error) {
        shown.error(text);
        throw error;
      }
    },
  };
}
