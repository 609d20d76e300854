// `corral watch`: edits of a model directory reach its development deployment as they are saved.

import { resolve } from "node:path";
import type { CommandDefinition } from "../command.ts";
import { watchDirectory, watchOptions } from "../watch/watch-directory.ts";

export const watch: CommandDefinition = {
  name: "watch",
  summary: "Keep a model's development deployment equal to its directory.",
  details:
    "The first time the directory is pushed; after that each change is sent as it is saved, and only the process of the\ncode takes it: the weights stay, and calls that run end on the old code. Code that cannot be loaded is refused with\nits traceback while the old code goes on. What takes another replica, as other weights or more memory, is pushed.",
  arguments: [{ name: "[directory]", summary: "the model directory (default: the current one)" }],
  options: [
    {
      flags: "--name <name>",
      summary: "the model's name (default: model_name of config.yaml, else the directory's)",
    },
    ...watchOptions,
  ],
  examples: [
    ["corral watch my-model", "edit, save, call"],
    ["corral watch --restart --output json", "the current directory, one JSON value a line for a script"],
  ],
  run: (context, [given = "."], options) =>
    watchDirectory(context, resolve(context.directory, given), options),
};
