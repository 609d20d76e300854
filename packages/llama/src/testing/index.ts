// What other packages' tests, and the scripts that record for them, use of this package.

export { reportMemory, type MemoryQuestion, type ReportedMemory } from "./report-memory.ts";
