// Tells an author's `setupEnvironment` where the deployment is, as Truss tells its Python models: before `load`, then for
// every change; of no environment twice in a row, and not that there is none any more.

import { isDeepStrictEqual } from "node:util";
import type { StartMessage } from "../protocol.ts";

type Environment = StartMessage["environment"];

export interface ToldEnvironment {
  /** One at a time. Fails as the author's function. */
  tell(environment: Environment): Promise<void>;
}

/** @param setUp null: the author has none */
export function createToldEnvironment(
  setUp: ((environment: NonNullable<Environment>) => unknown) | null,
): ToldEnvironment {
  let last: Environment = null;
  let turn: Promise<void> = Promise.resolve();

  async function tellNow(environment: Environment): Promise<void> {
    if (setUp === null || environment === null || isDeepStrictEqual(environment, last)) return;
    await setUp(environment);
    last = environment;
  }
  return {
    tell(environment) {
      const telling = turn.then(() => tellNow(environment));
      turn = telling.catch(() => undefined);
      return telling;
    },
  };
}
