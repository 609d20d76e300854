// `npm test`, `npm run check` and the like: installs what is missing, then runs a TypeScript file of the repository on
// Node 24. The first argument is the file, relative to the root; the others are its own.
"use strict";

const path = require("node:path");
const { ensureInstall } = require("./ensure-install.cjs");
const { exitLike, findNode, runChild } = require("./run-child.cjs");

const root = path.resolve(__dirname, "..");

async function run([file, ...args]) {
  await ensureInstall(root);
  exitLike(await runChild(findNode(root), [path.join(root, file), ...args], { cwd: root }));
}

run(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
