// Which call the code is working for just now, wherever in its course it is asked.

import { AsyncLocalStorage } from "node:async_hooks";
import type { CallContext } from "@corral/model";

export interface CurrentCall {
  /** As the replica numbers its calls. */
  readonly id: number;
  readonly context: CallContext;
}

const storage = new AsyncLocalStorage<CurrentCall>();

export function duringCall<Value>(call: CurrentCall, work: () => Value): Value {
  return storage.run(call, work);
}

export function currentCall(): CurrentCall | null {
  return storage.getStore() ?? null;
}
