// Whom the echo model is measured in: ours, bare Node, and each Python framework for which there is a Python.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export interface Contender {
  readonly name: string;
  /** File in `targets/`. */
  readonly entry: string;
  readonly flags: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  /** It is called as the gateway calls a replica. */
  readonly isReplica: boolean;
}

export interface Frameworks {
  readonly contenders: readonly Contender[];
  /** Why one is left out, by its name. */
  readonly missing: Readonly<Record<string, string>>;
}

interface Framework {
  readonly name: string;
  readonly variable: string;
  readonly packages: readonly string[];
}

/** Each may need versions of its own of what the others use too, so each has a Python of its own. */
const frameworks: readonly Framework[] = [
  { name: "truss", variable: "CORRAL_BENCH_TRUSS", packages: ["truss", "fastapi", "uvicorn", "uvloop"] },
  { name: "litserve", variable: "CORRAL_BENCH_LITSERVE", packages: ["litserve", "fastapi", "uvicorn"] },
  { name: "bentoml", variable: "CORRAL_BENCH_BENTOML", packages: ["bentoml", "uvicorn"] },
  { name: "fastapi", variable: "CORRAL_BENCH_FASTAPI", packages: ["fastapi", "uvicorn"] },
];

const model = (language: string) => fileURLToPath(new URL(`targets/echo/${language}`, import.meta.url));

const ours: readonly Contender[] = ["typescript", "python"].flatMap((language) => [
  {
    name: `corral-${language}`,
    entry: "corral-code",
    flags: [language, model(language)],
    versions: {},
    isReplica: true,
  },
  {
    name: `corral-${language}-platform`,
    entry: "corral-platform",
    flags: [model(language)],
    versions: {},
    isReplica: false,
  },
]);

const bareNode: Contender = {
  name: "bare-node",
  entry: "bare-node",
  flags: [],
  versions: {},
  isReplica: false,
};

export async function findFrameworks(environment: NodeJS.ProcessEnv): Promise<Frameworks> {
  const missing: Record<string, string> = {};
  const found: Contender[] = [];
  for (const { name, variable, packages } of frameworks) {
    const python = environment[variable] ?? "python3";
    const versions = await versionsOf(python, packages);
    if (typeof versions === "string")
      missing[name] =
        `${python} has no ${packages.join(", ")} (${versions}); install ${name} for a Python, and set ${variable} to its path`;
    else found.push({ name, entry: "python-echo", flags: [name, python], versions, isReplica: false });
  }
  return { contenders: [...ours, ...found, bareNode], missing };
}

const probeMs = 60_000;

/** Their versions and Python's, or what is wrong. */
async function versionsOf(
  python: string,
  packages: readonly string[],
): Promise<Readonly<Record<string, string>> | string> {
  const probe =
    "import json, sys\nfrom importlib.metadata import version\nprint(json.dumps({'python': sys.version.split()[0], **{p: version(p) for p in sys.argv[1:]}}))";
  try {
    const { stdout } = await promisify(execFile)(python, ["-c", probe, ...packages], { timeout: probeMs });
    return JSON.parse(stdout) as Record<string, string>;
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    return stderr?.trim().split("\n").at(-1) ?? message;
  }
}
