export { commands, runCli, type Surroundings } from "./cli.ts";
export { exitCodeHelp, exitCodes } from "./exit-codes.ts";
