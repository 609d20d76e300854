import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentKey, mayBeWheels, planEnvironment, type EnvironmentContent } from "./environment-plan.ts";

const content = (given: Partial<EnvironmentContent> = {}): EnvironmentContent => ({
  interpreter: { path: "/usr/bin/python3.11", version: [3, 11, 7], platform: "linux-x86_64" },
  requirements: ["torch==2.1", "numpy"],
  requirementsFile: null,
  companions: [],
  ...given,
});
const uv = { kind: "uv", path: "/opt/uv" } as const;
const lines = (given: EnvironmentContent, installer: Parameters<typeof planEnvironment>[1] = uv) => {
  const plan = planEnvironment(given, installer, "/home/env", "/bundle");
  if (plan.kind === "refused") return [plan.reason];
  return plan.commands.map(({ program, args }) => [program, ...args].join(" "));
};

test("the same packages in another order are the same environment, for every bundle", () => {
  const one = environmentKey(content(), "a");
  assert.equal(environmentKey(content({ requirements: [" numpy", "# why", "torch==2.1", ""] }), "b"), one);
  assert.match(one, /^[0-9a-f]{32}$/);
});

test("another version, Python, companion or requirements file is another environment", () => {
  const interpreter = { ...content().interpreter, version: [3, 12, 1] as const };
  const keys = [
    content(),
    content({ requirements: ["torch==2.2", "numpy"] }),
    content({ interpreter }),
    content({ companions: ["fastapi"] }),
    content({ requirementsFile: { path: "requirements.txt", text: "x" } }),
    content({ requirementsFile: { path: "requirements.txt", text: "y" } }),
  ].map((given) => environmentKey(given, "a"));
  assert.equal(new Set(keys).size, keys.length);
});

test("a requirement that lies in the bundle makes the environment this bundle's own", () => {
  const inBundle = [
    "-r more.txt",
    "-e .",
    "./wheels/x.whl",
    "x @ file:///x.whl",
    ".",
    ".[all]",
    "wheels/x.whl",
    "x-1.0-py3-none-any.whl",
    "x.tar.gz",
    "libs/mypkg",
    "x @ libs/mypkg",
    "-f wheels",
    "--find-links wheels",
    "--find-links=wheels",
    "x # of wheels/\nlibs/mypkg",
  ];
  for (const line of inBundle) {
    const given = content({ requirements: [line] });
    assert.notEqual(environmentKey(given, "a"), environmentKey(given, "b"), line);
  }
});

test("a package of an address, and what a comment says, are the same for every bundle", () => {
  for (const line of [
    "x @ https://host.example/wheels/x.whl",
    "https://host.example/x.tar.gz",
    "x @ git+https://host.example/owner/x.git@v1",
    "--extra-index-url https://host.example/simple/",
    "x==1 # see wheels/x.whl",
    "x==1 \\\n  --hash=sha256:00",
  ]) {
    const given = content({ requirements: [line] });
    assert.equal(environmentKey(given, "a"), environmentKey(given, "b"), line);
  }
});

test("uv makes the environment and installs requirements and companions together", () => {
  const plan = planEnvironment(content({ companions: ["fastapi"] }), uv, "/home/env", "/bundle");
  assert.deepEqual(plan.kind === "planned" && plan.files, [
    { name: "requirements.txt", text: "torch==2.1\nnumpy\nfastapi\n" },
  ]);
  const [make, install, ...more] = lines(content());
  assert.match(make ?? "", /^\/opt\/uv venv .*--relocatable.* --python \/usr\/bin\/python3\.11 \/home\/env$/);
  assert.match(
    install ?? "",
    /^\/opt\/uv pip install .*--python \/home\/env\/bin\/python -r \/home\/env\/requirements\.txt$/,
  );
  assert.deepEqual(more, []);
});

test("an environment without packages installs nothing", () => {
  assert.equal(lines(content({ requirements: [] })).length, 1);
  assert.deepEqual(lines(content({ requirements: [] }), { kind: "pip" }), [
    "/usr/bin/python3.11 -I -m venv --without-pip /home/env",
  ]);
});

test("a requirements file is read where it lies, and a lock file is exported first", () => {
  const file = (path: string) => content({ requirements: [], requirementsFile: { path, text: "" } });
  assert.match(lines(file("requirements.txt"))[1] ?? "", / -r \/bundle\/requirements\.txt$/);
  assert.match(lines(file("pyproject.toml"))[1] ?? "", / -r \/bundle\/pyproject\.toml$/);
  const [, exported, install] = lines(file("sub/uv.lock"));
  assert.match(exported ?? "", /^\/opt\/uv export --frozen .*--project \/bundle\/sub /);
  assert.match(install ?? "", / -r \/home\/env\/locked\.txt$/);
});

test("pip does what uv does, but for project and lock files", () => {
  const [make, install] = lines(content(), { kind: "pip" });
  assert.equal(make, "/usr/bin/python3.11 -I -m venv /home/env");
  assert.match(
    install ?? "",
    /^\/home\/env\/bin\/python -I -m pip install .*-r \/home\/env\/requirements\.txt$/,
  );
  const locked = content({ requirementsFile: { path: "uv.lock", text: "" } });
  assert.match(lines(locked, { kind: "pip" })[0] ?? "", /only uv can read/);
});

test("only names, versions and indexes may be installed from wheels alone", () => {
  const plain = [
    "numpy",
    "torch==2.1 # why",
    'x[all]>=1 ; python_version < "3.12"',
    "-i https://host.example/simple",
  ];
  assert.equal(mayBeWheels(content({ requirements: plain })), true);
  const locked = { path: "requirements.txt", text: "x==1 \\\n    --hash=sha256:00\n" };
  assert.equal(mayBeWheels(content({ requirementsFile: locked })), true);
  for (const line of [
    "-e evil",
    "./evil",
    "evil @ git+https://host.example/x",
    "-r more.txt",
    "--no-binary x",
    "x --config-settings=a",
    "x.tar.gz",
  ])
    assert.equal(mayBeWheels(content({ requirements: [...plain, line] })), false, line);
  for (const name of ["pyproject.toml", "uv.lock"])
    assert.equal(mayBeWheels(content({ requirementsFile: { path: name, text: "" } })), false, name);
  const [, install] = planEnvironmentLines(content());
  assert.match(install ?? "", /pip install .*--no-config --only-binary :all: /);
});

function planEnvironmentLines(given: EnvironmentContent): string[] {
  const plan = planEnvironment(given, uv, "/home/env", "/bundle", true);
  return plan.kind === "refused"
    ? []
    : plan.commands.map(({ program, args }) => [program, ...args].join(" "));
}
