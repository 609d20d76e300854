// The replica's process: `main.ts --config FILE` serves one GGUF, author code, or both.

import { parseArgs } from "node:util";
import { runProcess } from "./process.ts";

await runProcess(
  () => parseArgs({ options: { config: { type: "string" } } }).values.config,
  async (config, options) => {
    // Code that has no weights loads no native library.
    const { loadLlamaModel } = await import("./llama-model.ts");
    return await loadLlamaModel(config, options);
  },
);
