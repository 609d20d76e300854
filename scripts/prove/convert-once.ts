// Converts one directory and prints what it cost, as JSON. A process of its own, whose peak of memory is this work's.

import { convertHuggingFaceDirectory, sha256OfFile } from "@corral/weights";

const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) throw new Error("give a source and a target");
const started = performance.now();
await convertHuggingFaceDirectory(source, target, { outputType: "auto" });
const { user, system } = process.cpuUsage();
const cost = {
  peakBytes: process.resourceUsage().maxRSS * 1024,
  processorSeconds: (user + system) / 1e6,
  wallSeconds: (performance.now() - started) / 1000,
};
console.log(JSON.stringify({ ...cost, sha256: await sha256OfFile(target) }));
