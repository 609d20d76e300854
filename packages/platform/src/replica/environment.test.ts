import assert from "node:assert/strict";
import { test } from "node:test";
import { replicaEnvironment } from "./environment.ts";

const own = {
  PATH: "/bin",
  HOME: "/home/operator",
  UV_THREADPOOL_SIZE: "16",
  UV_USE_IO_URING: "1",
  UV_PUBLISH_TOKEN: "secret",
  UV_INDEX_OURS_PASSWORD: "secret",
  PIP_INDEX_URL: "https://user:secret@packages.test/simple",
  HTTPS_PROXY: "http://user:secret@proxy.test",
  no_proxy: "localhost",
  DATABASE_URL: "secret",
  HF_TOKEN: "secret",
};

test("a replica without code gets no address with a password in it, and one pool thread", () => {
  const made = replicaEnvironment("/run/replica", "info", own, { installs: false });
  assert.ok(!JSON.stringify(made).includes("secret"), JSON.stringify(made));
  assert.equal(made["UV_THREADPOOL_SIZE"], "1");
  assert.equal(made["GLIBC_TUNABLES"], "glibc.malloc.hugetlb=1");
  assert.deepEqual(Object.keys(made).toSorted(), [
    "CUDA_CACHE_PATH",
    "GLIBC_TUNABLES",
    "HOME",
    "LANG",
    "LOG_LEVEL",
    "NODE_ENV",
    "PATH",
    "TMPDIR",
    "UV_THREADPOOL_SIZE",
  ]);
});

test("a replica that installs packages reaches the registry, and libuv's settings stay its own", () => {
  const made = replicaEnvironment("/run/replica", "info", own, { installs: true });
  assert.equal(made["PIP_INDEX_URL"], own.PIP_INDEX_URL);
  assert.equal(made["UV_INDEX_OURS_PASSWORD"], "secret");
  assert.equal(made["HTTPS_PROXY"], own.HTTPS_PROXY);
  assert.equal(made["no_proxy"], "localhost");
  assert.equal(made["PYENV_ROOT"], "/home/operator/.pyenv");
  assert.equal(made["UV_THREADPOOL_SIZE"], "1");
  for (const name of ["UV_USE_IO_URING", "UV_PUBLISH_TOKEN", "DATABASE_URL", "HF_TOKEN"])
    assert.ok(!(name in made), name);
});

test("kernels that a driver translated outlive the replica, where the operator keeps them", () => {
  const made = (variables: Record<string, string>) =>
    replicaEnvironment("/run/replica", "info", variables, { installs: false })["CUDA_CACHE_PATH"];
  assert.equal(made({ HOME: "/home/operator" }), "/home/operator/.nv/ComputeCache");
  assert.equal(made({ HOME: "/home/operator", CUDA_CACHE_PATH: "/cache" }), "/cache");
  assert.equal(made({}), undefined);
});

test("how the operator wants memory allocated holds for replicas, too", () => {
  const chosen = { ...own, GLIBC_TUNABLES: "glibc.malloc.hugetlb=0" };
  assert.equal(
    replicaEnvironment("/run/replica", "info", chosen, { installs: false })["GLIBC_TUNABLES"],
    "glibc.malloc.hugetlb=0",
  );
});
