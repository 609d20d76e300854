// What tests of other packages use of the engine: `@corral/engine/testing`.

export {
  byteTokenCount,
  byteTokenIds,
  createByteTokenizer,
  type ByteTokenizerOptions,
} from "./byte-tokenizer.ts";
export { createFakeClock, type FakeClock } from "./fake-clock.ts";
export {
  createFakeModel,
  hashedLogits,
  type FakeLogits,
  type FakeModel,
  type FakeModelOptions,
} from "./fake-model.ts";
export { createMemoryPrefixStore, type MemoryPrefixStore } from "./memory-prefix-store.ts";
export { validGeneration } from "./valid-generation.ts";
export { createStopStringSearch } from "../text/stop-strings.ts";
