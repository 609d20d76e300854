// `npm run build:llama`: the llama.cpp libraries that Corral uses, compiled for the processor of this machine. Prints
// their directory, which is what `CORRAL_LLAMA_LIBRARIES` takes; one that is there already is not built again.

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { corralHome } from "./corral-home.ts";
import { buildRevision, changeSource } from "./llama-changes.ts";
import { buildLlama, release } from "./llama-source.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    jobs: { type: "string" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  process.stdout.write(
    "usage: npm run build:llama -- [--out DIRECTORY] [--jobs N] [--keep]\n\n" +
      "Compiles llama.cpp for the processor of this machine, which takes some minutes, and prints the directory\n" +
      "that CORRAL_LLAMA_LIBRARIES takes. --keep leaves source and objects where they were built.\n",
  );
  process.exit(0);
}
// npm starts scripts in the repository; a path that is given is meant from where it was called.
const calledFrom = process.env["INIT_CWD"] ?? process.cwd();
const directory =
  values.out === undefined
    ? join(corralHome(), `llama-${release}-${buildRevision}`)
    : resolve(calledFrom, values.out);
const revision = join(directory, "corral-revision");
if (existsSync(join(directory, "libllama.so"))) {
  if (!existsSync(revision) || readFileSync(revision, "utf8") !== `${buildRevision}\n`) {
    process.stderr.write(
      `${directory} has libraries that this version of Corral would build otherwise; remove them, or give another --out.\n`,
    );
    process.exit(1);
  }
} else {
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    process.stderr.write(
      `${directory} has other files; give --out a directory that is empty or not there.\n`,
    );
    process.exit(1);
  }
  await buildLlama({
    target: "llama",
    // Without OpenMP, whose threads spin on after a step: threads follow the cores that are free (docs/adr/0013), as
    // they do with the packaged libraries. Each library finds the others beside it.
    cmakeFlags: [
      "-DBUILD_SHARED_LIBS=ON",
      "-DGGML_OPENMP=OFF",
      "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON",
      "-DCMAKE_INSTALL_RPATH=$ORIGIN",
    ],
    jobs: values.jobs,
    keep: values.keep,
    change: changeSource,
    install(binaries) {
      mkdirSync(dirname(directory), { recursive: true });
      // Under its name only when it is whole.
      const part = mkdtempSync(`${directory}.part-`);
      for (const name of readdirSync(binaries).filter((file) => /^lib(llama|ggml(-[a-z]+)?)\.so/.test(file)))
        cpSync(join(binaries, name), join(part, name), { verbatimSymlinks: true });
      writeFileSync(join(part, basename(revision)), `${buildRevision}\n`);
      renameSync(part, directory);
    },
  });
}
process.stdout.write(`${directory}\n`);
