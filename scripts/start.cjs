// `npm start`: installs what is missing, then `corral up --quickstart` on Node 24 with the user's own arguments.
"use strict";

const path = require("node:path");
const { ensureInstall } = require("./ensure-install.cjs");
const { exitLike, findNode, runChild } = require("./run-child.cjs");

const root = path.resolve(__dirname, "..");

async function start(args) {
  await ensureInstall(root);
  const home = process.env.CORRAL_HOME
    ? path.resolve(process.env.INIT_CWD || process.cwd(), process.env.CORRAL_HOME)
    : path.join(root, ".corral");
  const homeGiven = args.some((word) => word === "--home" || word.startsWith("--home="));
  const command = path.join(root, "packages/cli/bin/corral.cjs");
  const words = [command, "up", "--quickstart", ...(homeGiven ? [] : ["--home", home]), ...args];
  exitLike(await runChild(findNode(root), words, { cwd: process.cwd() }));
}

start(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
