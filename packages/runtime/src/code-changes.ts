// Other code for a replica that runs: nothing where it has the very code, new files under the living state where nothing
// else changed and its language can, else another process beside the old one. One change at a time.

import type { ReloadKind, ReplicaCode, ReplicaCodeChange } from "@corral/contract";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { isOfSameProgram } from "./code-worker/same-program.ts";
import type { CodeGenerations, HeldGenerations } from "./code-worker/code-generations.ts";
import type { CodeSource, CodeWorker } from "./code-worker/code-worker.ts";
import type { FailedMessage } from "./code-worker/protocol.ts";
import type { WorkerProgram } from "./code-worker/worker-process.ts";
import type { Log } from "./log.ts";

export type CodeChange =
  /** `loadMs` of the author's `load`; 0 where it did not run. */
  | { readonly kind: "loaded"; readonly reload: ReloadKind; readonly loadMs: number }
  /** What ran before goes on. */
  | { readonly kind: "failed"; readonly failed: Omit<FailedMessage, "kind"> };

export interface CodeChangesOptions {
  /** As the replica was started. */
  readonly code: ReplicaCode;
  readonly program: WorkerProgram;
  readonly worker: CodeWorker;
  /** Null with `held`: each process has the files of its version, and no others. */
  readonly generations: CodeGenerations | null;
  readonly held: HeldGenerations | null;
  /** Fails as `prepareProgram`. */
  readonly prepare: (code: ReplicaCode) => Promise<WorkerProgram>;
  readonly source: (code: ReplicaCode, program: WorkerProgram) => CodeSource;
  readonly log: Log;
}

export function createCodeChanges(
  options: CodeChangesOptions,
): (change: ReplicaCodeChange) => Promise<CodeChange> {
  const { worker, generations, prepare, source, log } = options;
  let { code, program, held } = options;
  let turn: Promise<unknown> = Promise.resolve();

  async function change({ code: next, keep_state: keepsState }: ReplicaCodeChange): Promise<CodeChange> {
    if (isDeepStrictEqual(next, code)) return { kind: "loaded", reload: "unchanged", loadMs: 0 };
    if (keepsState && next.kind === "python" && held !== null && isOfSameShape(next, code)) {
      const kept = await keepState(next, held);
      if (kept !== null) return kept;
    }
    return await replace(next);
  }

  /** Null where it takes another process. */
  async function keepState(next: ReplicaCode, own: HeldGenerations): Promise<CodeChange | null> {
    // New imports may need packages that the process' environment has not.
    if (!isOfSameProgram(code, next, true)) return null;
    const directory = await own.add(next.directory);
    // What was placed among the data lies in the first generation alone.
    const located = { ...next, directory, data_directory: join(own.first, next.data_directory) };
    let isTaken = false;
    try {
      const outcome = await worker.reload({
        ...source(located, program),
        hasSpare: true,
        release: own.release,
      });
      if (outcome.kind === "failed") return outcome;
      if (outcome.kind === "needs_load") {
        log.info("the code's state cannot be kept", { reason: outcome.reason });
        return null;
      }
      isTaken = true;
      code = next;
      own.prune();
      return { kind: "loaded", reload: "state_kept", loadMs: 0 };
    } finally {
      if (!isTaken) own.drop(directory);
    }
  }

  async function replace(next: ReplicaCode): Promise<CodeChange> {
    const own = generations?.hold() ?? null;
    try {
      const located = own === null ? next : { ...next, directory: await own.add(next.directory) };
      const nextProgram = isOfSameProgram(code, next, false) ? program : await prepare(located);
      const outcome = await worker.replace({
        ...source(located, nextProgram),
        ...(own === null ? {} : { hasSpare: true, release: own.release }),
      });
      if (outcome.kind === "failed") return outcome;
      [code, program, held] = [next, nextProgram, own];
      return { kind: "loaded", reload: "replaced", loadMs: outcome.loaded.load_ms };
    } catch (error) {
      own?.release();
      throw error;
    }
  }

  return (wanted) => {
    const changing = turn.then(() => change(wanted));
    turn = changing.catch(() => undefined);
    return changing;
  };
}

/** Whether they differ in nothing but where their files are. */
function isOfSameShape(a: ReplicaCode, b: ReplicaCode): boolean {
  return isDeepStrictEqual(withoutPlace(a), withoutPlace(b));
}

function withoutPlace({ directory: _, python, ...rest }: ReplicaCode): unknown {
  if (python === undefined) return rest;
  const { bundle_digest: __, ...packages } = python;
  return { ...rest, python: packages };
}
