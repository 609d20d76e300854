// A replica with author code: files written to a directory of their own, the replica started on them.

import type { ReplicaCode } from "@corral/contract";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { startTestReplica, type TestReplica, type TestReplicaOptions } from "./start-test-replica.ts";
import { testCode } from "./test-config.ts";

export interface TestBundleOptions extends TestReplicaOptions {
  /** By path in the bundle: `model/model.ts`, or `model/model.py` where the kind is `python`. */
  readonly files: Readonly<Record<string, string>>;
  readonly code?: Partial<ReplicaCode>;
}

export async function startTestBundle({
  files,
  code = {},
  ...options
}: TestBundleOptions): Promise<TestReplica> {
  const root = mkdtempSync(join(tmpdir(), "corral-bundle-test-"));
  const home = join(root, "home");
  const directory = join(root, "bundle");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  const remove = () => rmSync(root, { recursive: true, force: true });
  const python = {
    version: null,
    strict: false,
    requirements: [],
    requirements_file: null,
    external_data: [],
    hub_files: [],
    bundle_digest: "d",
    home,
  };
  const ofKind =
    code.kind === "python"
      ? { file: "model/model.py", class_name: "Model", python, hidden_directories: [home] }
      : {};
  const config = { code: testCode(directory, { ...ofKind, ...code }), ...options.config };
  const replica = await startTestReplica({ hasModel: false, ...options, config }).catch((error: unknown) => {
    remove();
    throw error;
  });
  const dispose = replica[Symbol.asyncDispose];
  return Object.assign(replica, {
    async [Symbol.asyncDispose]() {
      await dispose();
      remove();
    },
  });
}
