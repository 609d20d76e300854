// Makes the checkout's node_modules what package-lock.json says, so that `npm start` and `npm test` work from a
// bare checkout. Plain CommonJS without dependencies: it runs on whatever Node started npm (20 or newer).
"use strict";

const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { runChild } = require("./run-child.cjs");

const pollMs = 200;
const longWaitMs = 10 * 60_000;

/**
 * Installs what is missing, or returns at once where nothing is. Throws an Error whose message says what to do.
 * Several processes may call it at the same time: one installs, the others wait for it.
 */
async function ensureInstall(root) {
  if (isInstalled(root)) return;
  const release = await takeLock(path.join(root, ".corral-install.lock"));
  try {
    if (isInstalled(root)) return;
    if (treeMatchesLockfile(root)) {
      writeStamp(root);
      return;
    }
    const first = !fs.existsSync(path.join(root, "node_modules"));
    say(
      first
        ? "Installing dependencies (first start, about 20 s) …"
        : "Installing dependencies (they changed, about 20 s) …",
    );
    const started = Date.now();
    const { code, signal, stderr } = await npmInstall(root);
    if (signal !== null) throw new Error(`Installing dependencies was interrupted (${signal}).`);
    if (code !== 0) throw new Error(explainFailure(code, stderr));
    writeStamp(root);
    say(`Installed in ${Math.round((Date.now() - started) / 1000)} s.`);
  } finally {
    release();
  }
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

// ---- what is installed

function stampPath(root) {
  return path.join(root, "node_modules", ".corral-install");
}

/** The lockfile's hash and what selects optional packages: a tree copied from another platform does not count. */
function wantedStamp(root) {
  const lockfile = fs.readFileSync(path.join(root, "package-lock.json"));
  const hash = createHash("sha256").update(lockfile).digest("hex");
  return `${hash} ${process.platform}-${process.arch}\n`;
}

function isInstalled(root) {
  try {
    return fs.readFileSync(stampPath(root), "utf8") === wantedStamp(root);
  } catch {
    return false;
  }
}

function writeStamp(root) {
  const target = stampPath(root);
  fs.writeFileSync(`${target}.${process.pid}`, wantedStamp(root));
  fs.renameSync(`${target}.${process.pid}`, target);
}

/** True where somebody ran `npm ci` by hand: npm's own record of the tree agrees with the lockfile. */
function treeMatchesLockfile(root) {
  let wanted, installed;
  try {
    wanted = readPackages(path.join(root, "package-lock.json"));
    installed = readPackages(path.join(root, "node_modules", ".package-lock.json"));
  } catch {
    return false;
  }
  return Object.entries(wanted).every(([location, entry]) => {
    if (!location.startsWith("node_modules/") && !location.includes("/node_modules/")) return true;
    const found = installed[location];
    if (found === undefined) return entry.optional === true && !runsHere(entry);
    const same = found.version === entry.version && found.integrity === entry.integrity;
    return same && found.resolved === (entry.link ? entry.resolved : found.resolved);
  });
}

/** Whether npm would install an optional package on this machine. */
function runsHere(entry) {
  const allows = (list, value) => list === undefined || list.includes(value);
  return (
    allows(entry.os, process.platform) &&
    allows(entry.cpu, process.arch) &&
    !(entry.libc ?? []).includes("musl")
  );
}

function readPackages(file) {
  return JSON.parse(fs.readFileSync(file, "utf8")).packages;
}

// ---- npm

function npmInstall(root) {
  // Everything is needed whatever NODE_ENV or an npmrc says: optional packages carry Node 24 and the native parts.
  const args = ["ci", "--ignore-scripts", "--include=optional", "--include=dev", "--no-audit", "--no-fund"];
  const cli = process.env.npm_execpath;
  const underNpm = cli !== undefined && /npm-cli\.[cm]?js$/.test(cli) && fs.existsSync(cli);
  const [command, list] = underNpm ? [process.execPath, [cli, ...args]] : ["npm", args];
  return runChild(command, list, { cwd: root, env: npmEnvironment(), stdio: ["ignore", "stderr", "tee"] });
}

/** Without what an outer `npm start --prefix …` or `--workspace …` would impose on the inner npm. */
function npmEnvironment() {
  const foreign =
    /^npm_config_(prefix|local_prefix|global|workspace|workspaces|omit|include|dry_run|package_lock)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

const causes = [
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENETUNREACH|network/i,
    "The package registry could not be reached. Check the network, a proxy (HTTPS_PROXY) and `npm config get registry`, then run the command again.",
  ],
  [
    /E401|E403|ENEEDAUTH/,
    "The package registry refused access. Check `npm config get registry` and its credentials.",
  ],
  [
    /E404|ETARGET|notarget/,
    "The package registry lacks a package of the lockfile; a mirror may be incomplete. Check `npm config get registry`.",
  ],
  [
    /EINTEGRITY/,
    "A downloaded package differs from the hash in package-lock.json. Run `npm cache clean --force` and try again; if it stays so, do not trust the registry or mirror.",
  ],
  [
    /EUSAGE|can only install packages when|not in sync/i,
    "package.json and package-lock.json disagree. Run `npm install --ignore-scripts` and commit the lockfile.",
  ],
  [/ENOSPC/, "The disk is full: about 700 MB are needed."],
  [
    /EACCES|EPERM|EROFS/,
    "The checkout cannot be written: node_modules must be owned by the user who runs npm.",
  ],
];

function explainFailure(code, stderr) {
  const known = causes.find(([pattern]) => pattern.test(stderr));
  const reason = known ? known[1] : "npm's own message above says why.";
  return `Installing dependencies failed (npm ci ended with ${code}). ${reason}`;
}

// ---- one installer at a time

async function takeLock(file) {
  const mine = `${process.pid} ${startTime(process.pid)}`;
  const deadline = Date.now() + longWaitMs;
  let told = false;
  for (;;) {
    try {
      fs.writeFileSync(file, mine, { flag: "wx" });
      return () => {
        if (readOrNull(file) === mine) fs.rmSync(file, { force: true });
      };
    } catch (error) {
      if (error.code !== "EEXIST") throw new Error(`${explainFailure("no result", error.code)} (${file})`);
    }
    if (isStale(file)) {
      removeStale(file);
      continue;
    }
    if (!told) say("Another process is installing the dependencies; waiting for it …");
    told = true;
    if (Date.now() > deadline)
      throw new Error(`Waited 10 minutes for another install; if none runs, delete ${file}.`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** A lock is stale when the process that wrote it is gone, or when it has stayed empty for 5 s (its writer died). */
function isStale(file) {
  const content = readOrNull(file);
  if (content === null) return false;
  const [pid, started] = content.split(" ");
  if (started === undefined) return ageMs(file) > 5_000;
  return !isAlive(Number(pid)) || startTime(Number(pid)) !== started;
}

/** Only one process at a time removes a stale lock, and it looks again first: a fresh lock is never removed. */
function removeStale(file) {
  const guard = `${file}.remove`;
  try {
    fs.writeFileSync(guard, "", { flag: "wx" });
  } catch {
    if (ageMs(guard) > 5_000) fs.rmSync(guard, { force: true });
    return;
  }
  try {
    if (isStale(file)) fs.rmSync(file, { force: true });
  } finally {
    fs.rmSync(guard, { force: true });
  }
}

function readOrNull(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

function ageMs(file) {
  try {
    return Date.now() - fs.statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Tells a process from a later one with the same id; "?" where there is no /proc. */
function startTime(pid) {
  const stat = readOrNull(`/proc/${pid}/stat`);
  return stat === null ? "?" : stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

module.exports = { ensureInstall };
