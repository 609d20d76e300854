// Runs a child process for a starter script: finds Node 24, forwards signals once, passes the exit code on.
// Plain CommonJS without dependencies: it runs on whatever Node started npm (20 or newer).
"use strict";

const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const wantedMajor = 24;
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"];
/** One Ctrl-C can arrive twice, from the terminal and from npm: copies within this time count as one. */
const sameSignalMs = 1_000;
const parentPollMs = 500;

/**
 * Runs a command to its end: `{code, signal, stderr}`. It gets a process group of its own, so that a Ctrl-C in the
 * terminal reaches it exactly once, through here; on Linux it is told to end when this process dies.
 * `stdio` takes Node's words and, for the outputs, "stderr" (ours) and "tee" (to our stderr, and collected).
 */
function runChild(command, args, { cwd, env = process.env, stdio = "inherit" }) {
  const tee = Array.isArray(stdio) && stdio[2] === "tee";
  const list = Array.isArray(stdio)
    ? stdio.map((word) => (word === "stderr" ? 2 : word === "tee" ? "pipe" : word))
    : stdio;
  const [file, words] = withDeathSignal(command, args);
  const child = spawn(file, words, { cwd, env, stdio: list, detached: process.platform !== "win32" });
  let stderr = "";
  if (tee) {
    child.stderr.on("data", (chunk) => {
      process.stderr.write(chunk);
      stderr = (stderr + chunk.toString()).slice(-20_000);
    });
  }

  let last = 0;
  const forward = (signal) => {
    const now = Date.now();
    if (now - last > sameSignalMs) child.kill(signal);
    last = now;
  };
  for (const signal of forwarded) process.on(signal, forward);
  // npm passes a signal to the shell between us and dies; losing the parent is that signal, too.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    forward("SIGTERM");
  }, parentPollMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stderr }));
  }).finally(() => {
    clearInterval(watch);
    for (const signal of forwarded) process.off(signal, forward);
  });
}

/** `setpriv` (util-linux) has the kernel end the child when its parent dies, however that happens. */
function withDeathSignal(command, args) {
  if (process.platform !== "linux" || !canSetDeathSignal()) return [command, args];
  return ["setpriv", ["--pdeathsig", "TERM", "--", command, ...args]];
}

function canSetDeathSignal() {
  return spawnSync("setpriv", ["--pdeathsig", "TERM", "--", "true"], { stdio: "ignore" }).status === 0;
}

/** Ends this process as the child ended. */
function exitLike({ code, signal }) {
  if (signal !== null && signal !== undefined) process.kill(process.pid, signal);
  process.exitCode = code ?? 1;
}

/** The path of a Node 24 or newer that runs here: the one npm installed, else the running one. */
function findNode(root) {
  const packageName = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const installed = path.join(root, "node_modules", packageName, "bin", "node");
  let problem = `npm did not install the optional package ${packageName}`;
  if (fs.existsSync(installed)) {
    const answer = spawnSync(installed, ["--version"], { encoding: "utf8" });
    if (answer.status === 0) return installed;
    problem = `${installed} does not run here (${(answer.error && answer.error.code) || answer.stderr.trim() || answer.signal})`;
  }
  if (Number(process.versions.node.split(".")[0]) >= wantedMajor) return process.execPath;
  throw new Error(
    [
      "",
      "  ┌──────────────────────────────────────────────────────────────┐",
      `  │  Corral needs Node ${wantedMajor}; this is Node ${process.versions.node.padEnd(30)} │`,
      "  └──────────────────────────────────────────────────────────────┘",
      "",
      `  Usually npm brings Node ${wantedMajor} itself, but ${problem}.`,
      "",
      "  Remedy, one of:",
      "    - rm -rf node_modules && npm ci --ignore-scripts --include=optional",
      "      (look for `omit=optional` in `npm config list` if it stays away)",
      `    - install Node ${wantedMajor} or newer yourself and put it first in PATH; on macOS, musl (Alpine) and`,
      "      Windows this is the only way, because no such package is published for them.",
      "",
    ].join("\n"),
  );
}

module.exports = { runChild, exitLike, findNode };
