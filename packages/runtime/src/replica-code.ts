// The author's code as a part of a replica: its worker started, and other code in its place.

import { ServingError, type ReplicaCode, type ReplicaCodeChange, type ReplicaConfig } from "@corral/contract";
import type { Clock } from "@corral/engine";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlChannel } from "./control-channel.ts";
import type { CodeService } from "./code-worker/answer-with-code.ts";
import type { CodeRun } from "./code-worker/code-run.ts";
import { createCodeChanges, type CodeChange } from "./code-changes.ts";
import { createCodeGenerations } from "./code-worker/code-generations.ts";
import { prepareProgram } from "./code-worker/code-program.ts";
import { codeCanBeIsolated, codeSource, shownDirectories } from "./code-worker/code-source.ts";
import { startCodeWorker } from "./code-worker/code-worker.ts";
import { createLlm } from "./code-worker/llm-port.ts";
import { createCallDeployment } from "./code-worker/other-deployments.ts";
import { createNoteUsed } from "./code-worker/used-places.ts";
import type { WorkerProgram } from "./code-worker/worker-process.ts";
import type { Log } from "./log.ts";
import type { PredictService } from "./predict.ts";
import type { RunBudgets } from "./run-budgets.ts";
import type { RunLedger } from "./run-ledger.ts";

export interface ReplicaCodeOptions {
  readonly config: ReplicaConfig;
  readonly code: ReplicaCode;
  readonly model: () => PredictService | null;
  readonly channel: ControlChannel;
  readonly ledger: RunLedger;
  readonly budgets: RunBudgets;
  readonly clock: Clock;
  readonly log: Log;
  readonly acknowledgementMs: number;
}

export interface RunningCode {
  readonly service: CodeService;
  /** Other code for the same model. */
  change(change: ReplicaCodeChange): Promise<CodeChange>;
  stop(): Promise<void>;
}

/** Fails with `code_not_loaded` or `code_load_failed`. */
export async function startReplicaCode(
  options: ReplicaCodeOptions,
  signal: AbortSignal,
): Promise<RunningCode> {
  const { config, code, channel, ledger, budgets, clock, log, acknowledgementMs } = options;
  const scratchDirectory = mkdtempSync(join(tmpdir(), "corral-code-"));
  const generations = code.live_directory === undefined ? null : createCodeGenerations(code.live_directory);
  const remove = () => {
    try {
      rmSync(scratchDirectory, { recursive: true, force: true });
      generations?.removeAll();
    } catch (error) {
      // The code may have closed a directory of its own. The platform opens and removes it with the replica's.
      log.warn("the code's temporary directory stays for now", { error: String(error) });
    }
  };
  const runs = new Map<string, CodeRun>();
  const own = process.env;
  const ended = new AbortController();
  try {
    const held = generations?.hold() ?? null;
    const located = held === null ? code : { ...code, directory: await held.add(code.directory) };
    const known = {
      scratchDirectory,
      own,
      hasModel: config.weights !== undefined,
      ...(generations === null ? {} : { visible: generations.directory }),
    };
    const noteUsed = createNoteUsed(config.deployment_id);
    const program = await prepareProgram(located, { own, scratchDirectory, log, noteUsed, signal });
    const place = { ...known, isolates: codeCanBeIsolated(located, { ...known, program }) };
    if (!place.isolates) refuseMounts(program);
    if (!place.isolates)
      log.warn("this system gives the code no namespaces of its own: it runs as any program of this user");
    else
      for (const shown of shownDirectories(located, { ...known, program }))
        log.warn("the code can see a directory that should be hidden: it needs too many others", { shown });
    const worker = await startCodeWorker(
      {
        source: {
          ...codeSource(located, { ...place, program }),
          ...(held === null ? {} : { hasSpare: true, release: held.release }),
        },
        openLlm: createLlm({
          service: options.model,
          runs,
          namespace: config.deployment_id,
          callDeployment: createCallDeployment(config.platform ?? null),
          log,
        }),
        log,
        queueLength: config.limits.queue_length,
      },
      signal,
    );
    const { call_ms: callMs, piece_ms: pieceMs } = code.limits;
    return {
      service: {
        config,
        clock,
        worker,
        runs,
        channel,
        ledger,
        budgets,
        log,
        acknowledgementMs,
        limits: { callMs, pieceMs },
      },
      change: createCodeChanges({
        code,
        program,
        worker,
        generations,
        held,
        async prepare(next) {
          const { signal: ending } = ended;
          const made = await prepareProgram(next, { own, scratchDirectory, log, noteUsed, signal: ending });
          if (!place.isolates) refuseMounts(made);
          return made;
        },
        source: (next, nextProgram) => codeSource(next, { ...place, program: nextProgram }),
        log,
      }),
      async stop() {
        ended.abort();
        await worker.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Places outside the bundle exist only in a file system of the code's own. */
function refuseMounts({ mounts = [] }: WorkerProgram): void {
  const [first] = mounts;
  if (first === undefined) return;
  throw new ServingError(
    "environment_failed",
    `The code wants files at ${first.place}, and this system gives it no namespaces of its own, in which that place could be made. Allow user namespaces to the platform's user, or use model_cache with use_volume: false, which needs none.`,
  );
}
