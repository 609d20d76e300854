import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Interpreter } from "./interpreter.ts";
import { preparePythonEnvironment, type PrepareOptions, type PythonRequest } from "./prepare-environment.ts";
import type { RunCommand, RunResult } from "./run-command.ts";

const interpreter: Interpreter = {
  path: "/usr/bin/python3.11",
  version: [3, 11, 7],
  platform: "linux-x86_64",
};
const done: RunResult = { kind: "exited", code: 0, lines: [] };

interface Machine {
  readonly commands: string[];
  readonly progress: string[];
  readonly variables: Readonly<Record<string, string>>[];
  readonly prepare: (
    request?: Partial<PythonRequest>,
    options?: Partial<PrepareOptions>,
  ) => ReturnType<typeof preparePythonEnvironment>;
  readonly directory: string;
  readonly bundle: string;
}

/** `answer` says what becomes of a command; undefined: it succeeds. */
async function machine(
  t: TestContext,
  answer: (line: string) => RunResult | undefined = () => undefined,
): Promise<Machine> {
  const root = await mkdtemp(join(tmpdir(), "corral-python-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const [directory, bundle] = [join(root, "home"), join(root, "bundle")];
  await mkdir(join(bundle, "model"), { recursive: true });
  const commands: string[] = [];
  const progress: string[] = [];
  const variables: Readonly<Record<string, string>>[] = [];
  const run: RunCommand = async (program, args, { environment, onLine }) => {
    const line = [program, ...args].join(" ");
    if (line.endsWith("uv --version")) return answer(line) ?? { ...done, lines: ["uv 0.13.8"] };
    commands.push(line);
    variables.push(environment);
    onLine?.(`ran ${args[0]}`);
    if (args[0] === "venv" || args[2] === "venv") {
      const bin = join(args.at(-1) ?? "", "bin");
      await mkdir(bin, { recursive: true });
      await writeFile(join(bin, "tool"), `#!${bin}/python\nprint(1)\n`);
    }
    return answer(line) ?? done;
  };
  return {
    commands,
    progress,
    variables,
    directory,
    bundle,
    prepare: async (request = {}, options = {}) =>
      await preparePythonEnvironment(
        {
          bundleDirectory: bundle,
          bundleDigest: "d",
          pythonVersion: "py311",
          strictPython: false,
          requirements: ["numpy"],
          requirementsFile: null,
          ...request,
        },
        {
          directory,
          environment: {},
          run,
          interpreters: [interpreter],
          onProgress: (line) => progress.push(line),
          ...options,
        },
      ),
  };
}

test("an environment is made once and found afterwards", async (t) => {
  const { prepare, commands, progress } = await machine(t);
  const first = await prepare();
  assert.equal(first.reused, false);
  assert.match(first.python, /home\/environments\/[0-9a-f]{32}\/bin\/python$/);
  assert.equal(commands.length, 2);
  assert.ok(progress.includes("Installing 1 package"));
  assert.ok(progress.includes("ran pip"), "the installer's own lines are passed on");
  assert.deepEqual({ ...(await prepare()), reused: false }, first);
  assert.equal(commands.length, 2);
});

test("a model without packages needs neither an installer nor a registry", async (t) => {
  const { prepare, commands } = await machine(t, (line) => {
    assert.doesNotMatch(line, /uv/);
    return undefined;
  });
  await prepare({ requirements: [] });
  assert.match(commands.join("\n"), /^\/usr\/bin\/python3\.11 -I -m venv --without-pip \S+$/);
});

test("scripts name the place that the environment was moved to", async (t) => {
  const { prepare } = await machine(t);
  const { python } = await prepare();
  assert.equal(await readFile(python.replace(/python$/, "tool"), "utf8"), `#!${python}\nprint(1)\n`);
});

test("packages of the Truss image that the code imports are installed too", async (t) => {
  const { prepare, bundle } = await machine(t);
  const bare = await prepare();
  await writeFile(join(bundle, "model", "model.py"), "from fastapi import HTTPException\n");
  const { key, python } = await prepare();
  assert.notEqual(key, bare.key);
  assert.equal(
    await readFile(join(python, "../../requirements.txt"), "utf8"),
    "numpy\nfastapi>=0.114,<0.125\n",
  );
});

test("a failed installation says what failed, and leaves nothing behind", async (t) => {
  const refusal = {
    kind: "exited",
    code: 1,
    lines: ["  x No solution found", "numpi was not found in the registry"],
  } as const;
  const { prepare, directory } = await machine(t, (line) =>
    line.includes("pip install") ? refusal : undefined,
  );
  await assert.rejects(prepare({ requirements: ["numpi"] }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "environment_failed");
    assert.match(error.message, /Installing 1 package for Python 3\.11\.7 failed: uv ended with exit code 1/);
    assert.match(error.message, /numpi was not found/);
    return true;
  });
  assert.deepEqual(await readdir(join(directory, "environments")), []);
});

test("two that prepare the same at once both get it, whole", async (t) => {
  const { prepare, directory } = await machine(t);
  const [one, two] = await Promise.all([prepare(), prepare()]);
  assert.equal(one.key, two.key);
  assert.deepEqual(await readdir(join(directory, "environments")), [one.key]);
});

test("without uv it is made from the package registry, and without that pip is used", async (t) => {
  const asked: string[] = [];
  const { prepare, commands, progress } = await machine(t, (line) => {
    asked.push(line);
    const refused = line.endsWith("uv --version") || line.includes("uv==");
    return refused ? { kind: "exited", code: 1, lines: ["no route to the registry"] } : undefined;
  });
  await prepare();
  assert.ok(commands.some((line) => /-m pip install .*--only-binary :all: uv==\d/.test(line)));
  assert.ok(progress.some((line) => line.includes("pip installs instead")));
  assert.match(commands.at(-1) ?? "", /bin\/python -I -m pip install .*-r .*requirements\.txt$/);
});

test("installers see how the registry is reached, and nothing of the platform's", async (t) => {
  const { prepare, variables } = await machine(t);
  await prepare(
    {},
    {
      environment: {
        PATH: "/usr/bin",
        PIP_INDEX_URL: "http://registry.test/simple",
        HTTPS_PROXY: "http://proxy.test",
        UV_PYTHON_DOWNLOADS: "automatic",
        HOME: "/root",
        HF_TOKEN: "hf_x",
        CORRAL_API_KEY: "secret",
        DATABASE_URL: "postgres://x",
      },
    },
  );
  const [seen = {}] = variables;
  assert.equal(seen["UV_DEFAULT_INDEX"], "http://registry.test/simple");
  assert.equal(seen["HTTPS_PROXY"], "http://proxy.test");
  assert.equal(seen["UV_PYTHON_DOWNLOADS"], "never");
  assert.notEqual(seen["HOME"], "/root");
  for (const name of ["HF_TOKEN", "CORRAL_API_KEY", "DATABASE_URL"]) assert.equal(seen[name], undefined);
});

test("a missing requirements file and a missing Python are refused by name", async (t) => {
  const { prepare } = await machine(t);
  await assert.rejects(
    prepare({ requirementsFile: "reqs.txt" }),
    /requirements_file is reqs\.txt, but there is no such file/,
  );
  await assert.rejects(prepare({ pythonVersion: "py312" }), { code: "python_missing" });
  await assert.rejects(prepare({ pythonVersion: "py310", strictPython: true }), /strict_python/);
});
