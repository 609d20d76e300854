import assert from "node:assert/strict";
import { test } from "node:test";

import { type Device, layerDevices } from "./device.ts";

function device(name: string, kind: Device["kind"]): Device {
  return { name, description: name, kind, memoryBytes: 2 ** 33, freeBytes: 2 ** 32 };
}

const processor = device("CPU", "cpu");
const integrated = [device("Vulkan0", "integrated_gpu"), device("Vulkan1", "integrated_gpu")];
const dedicated = [device("CUDA0", "gpu"), device("CUDA1", "gpu")];

test("layers go to all dedicated GPUs, and to an integrated one only where there is no other", () => {
  assert.deepEqual(layerDevices([...dedicated, ...integrated, processor]), dedicated);
  assert.deepEqual(layerDevices([...integrated, processor]), [integrated[0]]);
});

test("a processor and what only helps it hold no layers of a GPU's", () => {
  assert.deepEqual(layerDevices([device("BLAS", "other"), processor]), []);
});
