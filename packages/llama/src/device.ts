// The devices that llama.cpp has found: their names and memory, and which of them would hold a model's layers.

import { deviceType } from "./abi.ts";
import type { LlamaAbi } from "./abi-types.ts";

export interface Device {
  /** llama.cpp's own: "CUDA0", "Vulkan0", "CPU". */
  readonly name: string;
  /** What its maker calls it. */
  readonly description: string;
  /** `other`: it helps the processor and holds no layers. */
  readonly kind: "cpu" | "gpu" | "integrated_gpu" | "other";
  readonly memoryBytes: number;
  readonly freeBytes: number;
}

export function readDevices(abi: LlamaAbi): Device[] {
  return Array.from({ length: Number(abi.ggml_backend_dev_count()) }, (_, index) => {
    const device = abi.ggml_backend_dev_get(index);
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    abi.ggml_backend_dev_memory(device, free, total);
    return {
      name: abi.ggml_backend_dev_name(device),
      description: abi.ggml_backend_dev_description(device).trim(),
      kind: kindOf(abi.ggml_backend_dev_type(device)),
      memoryBytes: Number(total[0]),
      freeBytes: Number(free[0]),
    };
  });
}

/** The devices that llama.cpp puts layers on: every GPU, else the first one that shares the processor's memory. */
export function layerDevices(devices: readonly Device[]): readonly Device[] {
  const dedicated = devices.filter(({ kind }) => kind === "gpu");
  return dedicated.length > 0
    ? dedicated
    : devices.filter(({ kind }) => kind === "integrated_gpu").slice(0, 1);
}

function kindOf(type: number): Device["kind"] {
  switch (type) {
    case deviceType.cpu:
      return "cpu";
    case deviceType.gpu:
      return "gpu";
    case deviceType.integratedGpu:
      return "integrated_gpu";
    default:
      return "other";
  }
}
