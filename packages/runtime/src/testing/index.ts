// What the scripts that record for tests use of this package.

export { measureReplica, type ReplicaMemory } from "./replica-memory.ts";
