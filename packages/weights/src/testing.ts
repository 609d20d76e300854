// What other packages' tests, and the scripts that record for them, use of this package.

export * from "./hub/testing/index.ts";
export {
  recordHeader,
  type MemoryRecord,
  type MemoryRecording,
  type RecordedRun,
} from "./fit/testing/memory-record.ts";
export { writeSampleAdapter, type SampleAdapter } from "./testing/sample-adapter.ts";
export { writeSplitModel } from "./testing/split-model.ts";
export { writePeftAdapter } from "./testing/sample-adapters.ts";
