// A Hugging Face directory of a real model's shape with random weights, converted by us and by llama.cpp's converter:
// peak memory, processor seconds, and whether the files are equal.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository } from "../repository.ts";
import { makeLlamaDirectory, type ProvenShape } from "./llama-directory.ts";

interface Cost {
  readonly peakBytes: number;
  readonly processorSeconds: number;
  readonly wallSeconds: number;
  readonly sha256: string;
}

/** Most resident memory that our conversion may take. */
const memoryTargetBytes = 1_200_000_000;
const neededBytes: Readonly<Record<ProvenShape, number>> = { "1b": 8e9, "7b": 40e9 };

/** Needs room beside the system's temporary directory; `TMPDIR` says where. */
export async function proveConversion(shape: ProvenShape): Promise<void> {
  const { bavail, bsize } = statfsSync(tmpdir());
  const freeBytes = bavail * bsize;
  if (freeBytes < neededBytes[shape])
    throw new Error(
      `${tmpdir()} has ${gigabytes(freeBytes)} free; convert-${shape} needs ${gigabytes(neededBytes[shape])}`,
    );
  const folder = mkdtempSync(join(tmpdir(), "corral-prove-"));
  try {
    console.log(`making the source in ${folder}`);
    const source = await makeLlamaDirectory(shape, join(folder, "Proof-Llama"));
    const ours = await measure(process.execPath, [
      join(repository, "scripts/prove/convert-once.ts"),
      source,
      join(folder, "ours.gguf"),
    ]);
    report("corral", ours);
    console.log(
      `peak under ${gigabytes(memoryTargetBytes)}: ${ours.peakBytes < memoryTargetBytes ? "yes" : "NO"}`,
    );
    if (ours.peakBytes >= memoryTargetBytes) process.exitCode = 1;
    await compareWithConverter(source, folder, ours);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compareWithConverter(source: string, folder: string, ours: Cost): Promise<void> {
  const python = process.env["CORRAL_ORACLE_PYTHON"];
  if (python === undefined) {
    console.log(
      "CORRAL_ORACLE_PYTHON names no Python with torch and transformers: llama.cpp's converter is not run",
    );
    return;
  }
  const checkout = process.env["CORRAL_ORACLE_LLAMA_CPP"];
  const theirs = await measure(python, [
    join(repository, "scripts/oracle/record_conversion.py"),
    ...(checkout === undefined ? [] : ["--source", checkout]),
    "--convert",
    source,
    join(folder, "theirs.gguf"),
  ]);
  report("llama.cpp's converter", theirs);
  console.log(
    `processor seconds, ours to theirs: ${(ours.processorSeconds / theirs.processorSeconds).toFixed(2)}`,
  );
  console.log(`the files are equal: ${ours.sha256 === theirs.sha256 ? "yes" : "NO"}`);
  if (ours.sha256 !== theirs.sha256) process.exitCode = 1;
}

/** The command's last line of output is its cost. */
async function measure(command: string, args: readonly string[]): Promise<Cost> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", 2] });
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Cost;
}

function report(who: string, { peakBytes, processorSeconds, wallSeconds }: Cost): void {
  console.log(
    `${who}: peak ${gigabytes(peakBytes)} resident, ${processorSeconds.toFixed(1)} processor seconds, ${wallSeconds.toFixed(1)} s`,
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
