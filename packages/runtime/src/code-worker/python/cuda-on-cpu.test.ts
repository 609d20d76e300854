// "cuda" on a machine without a GPU: with a fake PyTorch that has no more than what is changed, and with the real one.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { anyPython } from "./testing/python-worker.ts";

const host = fileURLToPath(new URL(".", import.meta.url));
const python = await anyPython();
const withTorch = process.env["CORRAL_ORACLE_PYTHON"];

const fakeTorch = `
class device:
    def __init__(self, name): self.type = name.partition(":")[0]
    def __eq__(self, other): return self.type == getattr(other, "type", other)
class Tensor:
    def __init__(self, data, device="cpu", dtype=None): self.data, self.device, self.dtype = data, device, dtype
    def to(self, *args, device=None, dtype=None): return ("moved", args, device)
    def cuda(self): raise RuntimeError("no GPU")
    def half(self): return self
def ones(*size, device="cpu"): return Tensor(size, device)
def tensor(data, device="cpu"): return Tensor(data, device)
class nn:
    class Module:
        def to(self, *args, **kwargs): return args
        def cuda(self): raise RuntimeError("no GPU")
    class functional:
        @staticmethod
        def linear(*_): pass
class cuda:
    @staticmethod
    def is_available(): return AVAILABLE
__version__ = "0"
`;

interface Said {
  readonly value: unknown;
  readonly told: readonly string[];
}

function run(program: string, script: string, path = ""): Said {
  const around = `
import json, sys
sys.path[0:0] = [${JSON.stringify(host)}] + [place for place in [${JSON.stringify(path)}] if place]
from corral_host import cuda_on_cpu
told = []
cuda_on_cpu.install(told.append)
${script}
print(json.dumps({"value": value, "told": told}))
`;
  const { stdout, stderr, status } = spawnSync(program, ["-c", around], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Said;
}

function fakePlace(t: TestContext, isAvailable: boolean): string {
  const directory = mkdtempSync(join(tmpdir(), "corral-torch-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, "torch"));
  const text = fakeTorch.replace("AVAILABLE", isAvailable ? "True" : "False");
  writeFileSync(join(directory, "torch/__init__.py"), text);
  return directory;
}

const skip = python === null ? "there is no Python from 3.9 on" : false;

test("code that names cuda gets the processor, is told so once, and other devices stay", { skip }, (t) => {
  const script = `
import torch
x = torch.tensor([1])
value = [
    x.to("cuda")[1][0].type, x.to(torch.device("cuda"))[1][0].type, x.to(device="cuda:0")[2].type, x.to(device=0)[2].type,
    x.to("meta")[1][0], x.to(1)[1][0], x.cuda() is x, torch.nn.Module().to("cuda:1")[0].type, torch.cuda.is_available(),
]
`;
  const { value, told } = run(python ?? "", script, fakePlace(t, false));
  assert.deepEqual(value, ["cpu", "cpu", "cpu", "cpu", "meta", 1, true, "cpu", false]);
  assert.deepEqual(told, ['The code asks PyTorch for the device "cuda", and there is none: it gets "cpu".']);
});

test("where there is a GPU after all, PyTorch stays as it is", { skip }, (t) => {
  const script = `import torch\nvalue = torch.tensor([1], device="cuda").device`;
  assert.deepEqual(run(python ?? "", script, fakePlace(t, true)), { value: "cuda", told: [] });
});

test("code without PyTorch is not touched", { skip }, () => {
  const script = `import json.tool\ntry:\n    import torch\nexcept ImportError as e:\n    value = e.name\nelse:\n    value = "torch"`;
  assert.equal(run(python ?? "", script).value, "torch");
});

test(
  "the real PyTorch computes on the processor what code sends to cuda",
  { skip: withTorch === undefined && "CORRAL_ORACLE_PYTHON names a Python with torch to run it" },
  () => {
    const script = `
import torch
layer = torch.nn.Linear(2, 2, bias=False).half().to("cuda").cuda()
x = torch.ones(1, 2, dtype=torch.float16).to(torch.device("cuda", 0), non_blocking=True)
same = torch.zeros_like(layer(x))
value = [str(layer(x).device), list(same.shape), str(layer.weight.device), torch.cuda.is_available()]
`;
    const { value, told } = run(withTorch ?? "", script);
    assert.deepEqual(value, ["cpu", [1, 2], "cpu", false]);
    assert.match(told[0] ?? "", /"cuda"/);
  },
);
