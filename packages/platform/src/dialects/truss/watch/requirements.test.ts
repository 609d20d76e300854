import assert from "node:assert/strict";
import { test } from "node:test";
import { projectDependencies } from "./requirements.ts";

const project = (dependencies: readonly string[]) =>
  `[project]\ndependencies = ${JSON.stringify(dependencies)}\n`;
const read = (...dependencies: readonly string[]) => projectDependencies(project(dependencies));

/** Far below what a step that doubles would take, far above what a slow machine needs. */
const soonMs = 5_000;
function inTime<Result>(work: () => Result): Result {
  const began = performance.now();
  const result = work();
  assert.ok(performance.now() - began < soonMs, "it takes time with the text's length alone");
  return result;
}

test("dependencies are read in every form that PEP 508 gives them", () => {
  const sound = [
    "numpy",
    " numpy ",
    "numpy>=1.26,<3",
    "numpy >= 1.26 , < 3 ,",
    "numpy===1.26+local",
    "numpy ~=1.26, !=1.27",
    "requests[socks, use-chardet] == 2.*; python_version < '3.13'",
    "requests[]>2",
    "ruff (>=0.1, <1)",
    "ruff ()",
    "torch @ https://example.org/torch.whl",
    "torch[cpu]@https://example.org/torch.whl ; sys_platform == 'linux'",
    "six;python_version<'3'",
  ];
  assert.deepEqual(read(...sound), sound);
  const none = [
    "",
    "./local",
    "not a requirement",
    "-numpy",
    "numpy-",
    "numpy 1",
    "numpy>=",
    "numpy>==1",
    "numpy,",
    "numpy>=1,,<2",
    "numpy>=1,,",
    "numpy (>=1",
    "numpy >=1)",
    "numpy[socks",
    "numpy[socks,,x]",
    "numpy;",
    "torch @",
    "torch @ https://example.org/torch.whl and more",
  ];
  assert.deepEqual(read(...none), []);
});

test("a dependency that is long, and none after all, is told soon", () => {
  const many = (part: string, between = ",") => Array.from({ length: 1_000 }, () => part).join(between);
  const hostile = [
    ...["<=1", "===1", ">= 1", "== 1 "].map((part) => `a${many(part)} (`),
    `a[${many("b")}`,
    `a[${many("b-", "")}]`,
    `a${many(" ", "")}(`,
    `a @${many(" ", "")}b${many(" ", "")}(`,
    `a${many("-", "")}`,
    `a==1${many(" ", "")};`,
  ];
  assert.deepEqual(
    inTime(() => read(...hostile)),
    [],
  );
  assert.deepEqual(read(`a==${"1".repeat(10_000)}`), [], "nobody means so long a one");
});

test("a project file of many tables is read soon, and one without end is not read", () => {
  const tables = "[[a.b]]\n".repeat(100_000);
  assert.deepEqual(
    inTime(() => projectDependencies(`${project(["numpy"])}${tables}`)),
    ["numpy"],
  );
  assert.deepEqual(projectDependencies(`${project(["numpy"])}# ${"x".repeat(1024 * 1024)}`), []);
});
