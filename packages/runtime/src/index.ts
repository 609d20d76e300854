// The public face of `@corral/runtime`. `main.ts` is its process; whoever starts a replica in its own process, such
// as a test or a measurement of the overhead, brings a model along.

export { createLog, type Log } from "./log.ts";
export type { LoadedModel, LoadModel, LoadOptions, SpecialTokens } from "./loaded-model.ts";
export { startReplica, type Graces, type Replica, type ReplicaEnd, type ReplicaOptions } from "./replica.ts";
