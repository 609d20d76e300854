// A Python model in a test: its text in, a worker that has loaded it out.

import type { TestContext } from "node:test";
import {
  anyPython,
  startPythonWorker,
  type Answer,
  type PythonWorker,
  type WorkerFiles,
} from "./python-worker.ts";

const python = await anyPython();

/** For `test`: false where the machine has a Python. */
export const skipWithoutPython: string | false = python === null ? "there is no Python from 3.9 on" : false;

export async function startModel(
  t: TestContext,
  code: string,
  more: Partial<WorkerFiles> = {},
): Promise<PythonWorker> {
  const { files = {}, ...rest } = more;
  return await startPythonWorker(t, {
    python: python ?? "",
    files: { ...files, "model/model.py": code },
    ...rest,
  });
}

export async function loadModel(
  t: TestContext,
  code: string,
  more: Partial<WorkerFiles> = {},
): Promise<PythonWorker> {
  const worker = await startModel(t, code, more);
  await worker.heard("loaded");
  return worker;
}

/** The whole answer, or why there is none. */
export function textOf({ pieces, error }: Answer): string {
  return error === null ? Buffer.concat(pieces).toString() : error.reason;
}
