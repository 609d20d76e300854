// A Python that can run bench/targets/generate_server.py: the one of CORRAL_BENCH_PYTHON, or `python3`.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

export interface TransformersPython {
  readonly path: string;
  /** Of torch and transformers. */
  readonly versions: Readonly<Record<string, string>>;
}

const probe =
  "import json, torch, transformers; print(json.dumps({'torch': torch.__version__, 'transformers': transformers.__version__}))";
const probeMs = 120_000;

/** Where there is none, what is missing and how to get it. */
export async function findTransformers(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<TransformersPython | { readonly missing: string }> {
  const path = environment["CORRAL_BENCH_PYTHON"] ?? "python3";
  try {
    const { stdout } = await promisify(execFile)(path, ["-c", probe], { timeout: probeMs });
    return { path, versions: JSON.parse(stdout) as Record<string, string> };
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    const said = stderr?.trim().split("\n").at(-1) ?? "";
    const why = said === "" ? message : said;
    return {
      missing: `${path} cannot import torch and transformers (${why}); install ${wanted().join(" and ")} for a Python, and set CORRAL_BENCH_PYTHON to its path`,
    };
  }
}

/** The versions that the recorded outputs of transformers are of. */
function wanted(): string[] {
  const path = new URL("../../scripts/oracle/requirements.txt", import.meta.url);
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => /^(torch|transformers)==/.test(line));
}
