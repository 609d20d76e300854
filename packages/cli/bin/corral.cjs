#!/usr/bin/env node
// Starts the CLI on Node 24, whichever Node ran this file. Written so that every Node since 6 can parse it; knows
// nothing of the commands.
"use strict";

const spawn = require("child_process").spawn;
const path = require("path");

const wantedMajor = 24;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];

if (parseInt(process.versions.node, 10) >= wantedMajor) {
  require("../src/main.ts");
} else {
  startOnOwnNode();
}

function startOnOwnNode() {
  const packageName = "node-linux-" + process.arch;
  let node = null;
  let reason = "";
  try {
    node = require.resolve(packageName + "/bin/node");
  } catch (error) {
    reason = error.code;
  }
  if (node === null || process.env.CORRAL_STARTED_BY) {
    fail(packageName, node, reason);
    return;
  }
  const environment = {};
  for (const name in process.env) environment[name] = process.env[name];
  environment.CORRAL_STARTED_BY = process.versions.node;
  const file = path.join(__dirname, "corral.cjs");
  const child = spawn(node, [file].concat(process.argv.slice(2)), { stdio: "inherit", env: environment });
  signals.forEach(function (signal) {
    process.on(signal, function () {
      // A terminal sends Ctrl-C to the child as well; twice would mean "at once" to it.
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      child.kill(signal);
    });
  });
  child.on("error", function (error) {
    process.stderr.write("corral: " + node + " cannot be started (" + error.message + ").\n");
    process.exit(1);
  });
  child.on("exit", function (code, signal) {
    if (signal === null) {
      process.exit(code);
      return;
    }
    signals.forEach(function (each) {
      process.removeAllListeners(each);
    });
    process.kill(process.pid, signal);
  });
}

function fail(packageName, node, reason) {
  const lines = ["", "corral needs Node " + wantedMajor + "; this is Node " + process.versions.node + "."];
  if (node !== null) {
    lines.push(
      "The one that " + packageName + " brings is too old as well: run `npm ci` in " + checkout() + ".",
    );
  } else if (process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")) {
    lines.push(
      "npm usually brings it as the package " +
        packageName +
        ", which is missing (" +
        reason +
        "): npm skipped the optional",
    );
    lines.push("dependency. Run `npm ci --include=optional` in " + checkout() + ", or install Node 24.");
  } else {
    lines.push(
      "For " +
        process.platform +
        "-" +
        process.arch +
        " npm brings none: install Node 24 from https://nodejs.org.",
    );
  }
  process.stderr.write(lines.join("\n") + "\n\n");
  process.exit(1);
}

function checkout() {
  return path.resolve(__dirname, "../../..");
}
