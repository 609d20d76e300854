// What other packages' tests, and the scripts that record for them, use of this package.

export { writeDoubledModel } from "./doubled-model.ts";
export { reportMemory, type MemoryQuestion, type ReportedMemory } from "./report-memory.ts";
