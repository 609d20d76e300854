// The replica's process: `main.ts --config FILE` serves one GGUF.

import { parseArgs } from "node:util";
import { loadLlamaModel } from "./llama-model.ts";
import { runProcess } from "./process.ts";

await runProcess(() => parseArgs({ options: { config: { type: "string" } } }).values.config, loadLlamaModel);
