// `npm run build:llama-server`: llama-server from the source of our llama.cpp libraries, as the peer of the benchmarks.
// Prints the path of the binary; one that is there already is not built again.

import { copyFileSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { benchHome } from "./corral-home.ts";
import { buildLlama, release } from "./llama-source.ts";

const { values } = parseArgs({
  options: { out: { type: "string" }, jobs: { type: "string" }, keep: { type: "boolean", default: false } },
});
const path = resolve(values.out ?? join(benchHome(), `llama-server-${release}`));
if (!existsSync(path)) {
  await buildLlama({
    target: "llama-server",
    cmakeFlags: ["-DBUILD_SHARED_LIBS=OFF"],
    jobs: values.jobs,
    keep: values.keep,
    install(binaries) {
      mkdirSync(dirname(path), { recursive: true });
      // Under its name only when it is whole.
      copyFileSync(join(binaries, "llama-server"), `${path}.part`);
      renameSync(`${path}.part`, path);
    },
  });
}
process.stdout.write(`${path}\n`);
