// A replica's configuration → what one code worker is started with.

import type { ReplicaCode } from "@corral/contract";
import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import type { CodeSource } from "./code-worker.ts";
import { canIsolate, isolatingWords, unhiddenOf, type IsolationOptions } from "./isolation.ts";
import { serverModel } from "./server/program.ts";
import { workerEnvironment } from "./worker-environment.ts";
import type { WorkerProgram } from "./worker-process.ts";

export interface CodePlace {
  /** The directory that the code's processes see, in which its own is; default: its own. */
  readonly visible?: string;
  /** The worker's home, removed with the replica. */
  readonly scratchDirectory: string;
  /** The replica's environment. */
  readonly own: Readonly<Record<string, string | undefined>>;
  readonly hasModel: boolean;
  /** Made ready by `prepareProgram`. */
  readonly program: WorkerProgram;
  /** The system gives workers namespaces of their own (`codeCanBeIsolated`). */
  readonly isolates: boolean;
}

/** What a call whose time is over may take to end, before its worker is. */
const cancelGraceMs = 5_000;
/** As often as Kubernetes asks a container by default. */
const healthCheckMs = 10_000;
/** Of the code at a time. */
const processes = 512;
/** A disk with less is as good as full for the platform's database. */
const freeBytes = 512 * 1024 ** 2;
const innocentBytes = 64 * 1024 ** 2;
/** As the Truss server: once more, a second later. */
const loadRetries = 1;

export function codeSource(code: ReplicaCode, place: CodePlace): CodeSource {
  const { limits, directory } = code;
  const { scratchDirectory, own, hasModel, program, isolates } = place;
  const isolation = isolates ? isolatingWords(isolationOf(code, place)) : null;
  const within = (path: string) => (isAbsolute(path) ? path : join(directory, path));
  return {
    process: {
      program,
      workingDirectory: place.visible ?? directory,
      environment: workerEnvironment({
        scratchDirectory,
        variables: code.environment_variables,
        program: program.environment,
        own,
      }),
      limits: {
        memoryBytes: limits.memory_bytes,
        openFiles: limits.open_files,
        processes,
        disk: { directory: scratchDirectory, freeBytes, innocentBytes },
      },
      secrets: Object.values(code.secrets),
      path: own["PATH"] ?? "",
      isolation,
    },
    loadTimeoutMs: limits.load_ms,
    ...(code.health === undefined
      ? {}
      : {
          health: {
            checkMs: healthCheckMs,
            delayMs: code.health.delay_ms,
            stopTrafficMs: code.health.stop_traffic_ms ?? null,
            restartMs: code.health.restart_ms ?? null,
          },
        }),
    cancelGraceMs,
    start: {
      directory,
      file: code.kind === "server" ? serverModel : code.file,
      ...(code.class_name === undefined ? {} : { class_name: code.class_name }),
      data_directory: within(code.data_directory),
      packages_directory: within(code.packages_directory),
      // Of a server it is for our own model alone.
      config: code.server ?? code.config,
      secrets: code.secrets,
      environment: code.environment,
      predict_concurrency: code.predict_concurrency,
      // A server that did not start has had its time.
      load_retries: code.kind === "server" ? 0 : loadRetries,
      has_llm: hasModel,
      answer_bytes: limits.answer_bytes,
    },
  };
}

/** To be asked once, while nobody waits for the replica yet. */
export function codeCanBeIsolated(code: ReplicaCode, place: Omit<CodePlace, "isolates">): boolean {
  return canIsolate(isolationOf(code, place));
}

/** Directories that the code can see although it should not. */
export function shownDirectories(code: ReplicaCode, place: Omit<CodePlace, "isolates">): readonly string[] {
  return unhiddenOf(isolationOf(code, place));
}

function isolationOf(
  code: ReplicaCode,
  { scratchDirectory, own, program, visible }: Omit<CodePlace, "isolates">,
): IsolationOptions {
  return {
    workingDirectory: visible ?? code.directory,
    scratchDirectory,
    hidden: [...code.hidden_directories, ...ownersHome()],
    kept: program.directories ?? [],
    mounts: program.mounts ?? [],
    path: own["PATH"] ?? "",
  };
}

/** Of whoever runs the platform: keys and notes lie there. */
export function ownersHome(): readonly string[] {
  try {
    const { homedir } = userInfo();
    return /^\/(root$|home\/)/.test(homedir) ? [homedir] : [];
  } catch {
    // A user without an entry in the system's list has no home.
    return [];
  }
}
