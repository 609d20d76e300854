// `corral` with the fake platform in the place of the real one, as a process of its own so that tests can signal it.

import { fileURLToPath } from "node:url";
import { runCli } from "../cli.ts";

process.exitCode = await runCli({
  args: process.argv.slice(2),
  environment: process.env,
  directory: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  signal: new AbortController().signal,
  readStdin: async () => "",
  platformMain: fileURLToPath(new URL("./fake-platform-main.ts", import.meta.url)),
});
