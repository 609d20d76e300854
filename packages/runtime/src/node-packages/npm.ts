// The npm that installs a model's packages: found beside our Node or on the path, and run by our Node with an environment
// that is built. It reaches the registry as the operator's own npm does; none of the packages' scripts are run.

import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram } from "../code-worker/find-program.ts";

type Variables = Readonly<Record<string, string | undefined>>;

export interface Npm {
  /** npm-cli.js */
  readonly script: string;
  /** Settings of the whole machine, as the npm that was found reads them. */
  readonly globalConfig: string;
}

/** Null where there is none. */
export function findNpm(path: string): Npm | null {
  const beside = join(dirname(dirname(process.execPath)), "lib/node_modules/npm/bin/npm-cli.js");
  const settings = (program: string) => join(dirname(dirname(program)), "etc/npmrc");
  if (existsSync(beside)) return { script: beside, globalConfig: settings(process.execPath) };
  const program = findProgram("npm", path);
  if (program === null) return null;
  const script = realpathSync(program);
  return /\.c?js$/.test(script) ? { script, globalConfig: settings(program) } : null;
}

const passedOn = [
  "PATH",
  "LANG",
  "TZ",
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
];
/** How a registry is reached; what is installed, and where, is not the environment's to say. */
const settings =
  /^npm_config_(registry|.*_?registry|proxy|https?_?proxy|noproxy|cafile|ca|strict_ssl|userconfig|globalconfig|fetch_.*|maxsockets|before|offline|prefer_offline)$/i;

export interface NpmPlaces {
  /** An empty home. */
  readonly home: string;
  readonly cache: string;
}

/** `own` is the operator's environment. */
export function npmVariables(own: Variables, npm: Npm, { home, cache }: NpmPlaces): Record<string, string> {
  const passed = Object.entries(own).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (passedOn.includes(entry[0]) || settings.test(entry[0])),
  );
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    LANG: "C.UTF-8",
    NPM_CONFIG_GLOBALCONFIG: npm.globalConfig,
    ...Object.fromEntries(passed),
    HOME: home,
    NPM_CONFIG_CACHE: cache,
  };
}

/** Words for npm-cli.js in a directory with package.json, and package-lock.json where `isLocked`. */
export function installWords(isLocked: boolean): readonly string[] {
  return [
    isLocked ? "ci" : "install",
    "--ignore-scripts",
    "--omit=dev",
    // What the bundle holds is copied: links would lead into a directory that others do not see.
    "--install-links",
    // A package of the registry may not lead elsewhere.
    "--allow-git=none",
    "--allow-remote=none",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--no-progress",
    "--loglevel=warn",
  ];
}
