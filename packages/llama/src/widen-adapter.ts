// An adapter's matrices of half precision as float32, which holds the very same values. Knows no native code.

import { readGgufHeader, writeGguf, type GgufHeader, type WritableGguf } from "@corral/weights";

/** A whole checked adapter file → the same with float32 in place of f16 and bf16; of its metadata what llama.cpp reads. */
export async function widenAdapter(file: Buffer): Promise<Buffer> {
  const source = {
    size: file.byteLength,
    read: (offset: number, length: number) => Promise.resolve(file.subarray(offset, offset + length)),
  };
  const header = await readGgufHeader(source);
  const tensors = header.tensors.map((tensor) => ({
    ...tensor,
    type: isHalf(tensor.type) ? "F32" : tensor.type,
  }));
  const pieces: Uint8Array[] = [];
  await writeGguf(
    { metadata: metadataOf(header), tensors },
    ({ name }) => {
      const { offset, bytes, type } = header.tensors.find((tensor) => tensor.name === name)!;
      const data = file.subarray(offset, offset + (bytes ?? 0));
      return [isHalf(type) ? widen(data, type) : data];
    },
    (bytes) => {
      pieces.push(bytes.slice());
      return Promise.resolve();
    },
  );
  return Buffer.concat(pieces);
}

function isHalf(type: string): boolean {
  return type === "F16" || type === "BF16";
}

function metadataOf({ architecture, metadata }: GgufHeader): WritableGguf["metadata"] {
  const alpha = metadata.get("adapter.lora.alpha");
  return {
    "general.type": { type: "string", value: "adapter" },
    "general.architecture": { type: "string", value: architecture },
    "adapter.type": { type: "string", value: "lora" },
    ...(typeof alpha === "number" ? { "adapter.lora.alpha": { type: "f32", value: alpha } } : {}),
  };
}

function widen(data: Buffer, type: string): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const wide = new DataView(new ArrayBuffer(data.byteLength * 2));
  for (let at = 0; at < data.byteLength; at += 2) {
    if (type === "F16") wide.setFloat32(2 * at, view.getFloat16(at, true), true);
    // bf16 is the upper half of a float32.
    else wide.setUint32(2 * at, view.getUint16(at, true) * 0x10000, true);
  }
  return new Uint8Array(wide.buffer);
}
