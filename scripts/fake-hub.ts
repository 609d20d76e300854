// A hub on loopback over directories of this machine, to try clients against: ours, and Python's.
//
//   npm run fake-hub -- owner/name=models/tiny-llama [--gated owner/name --access TOKEN] [--cut 100000]
//
// Prints HF_ENDPOINT, then one line of JSON for each request when it is answered.

import { parseArgs } from "node:util";
import { startFakeHub } from "@corral/weights/testing";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    gated: { type: "string", multiple: true, default: [] },
    access: { type: "string", multiple: true, default: [] },
    cut: { type: "string" },
    port: { type: "string", default: "0" },
  },
});
const repositories = positionals.map((text) => {
  const [name = "", directory = ""] = text.split("=");
  return [
    name,
    { directory, ...(values.gated.includes(name) ? { gated: "auto" as const, access: values.access } : {}) },
  ] as const;
});
if (repositories.length === 0) {
  console.error("Name at least one repository: owner/name=directory");
  process.exit(2);
}
const hub = await startFakeHub({
  repositories: Object.fromEntries(repositories),
  port: Number(values.port),
  // One connection to the files is cut in the middle.
  ...(values.cut === undefined
    ? {}
    : { faults: [{ server: "cdn", cutAfterBytes: Number(values.cut), times: 1 }] }),
  onRequest: (request) => console.log(JSON.stringify(request)),
});
console.log(`HF_ENDPOINT=${hub.url}`);
