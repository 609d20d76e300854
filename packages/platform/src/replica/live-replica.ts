// A deployment's replicas as others see them, and the port through which they are written down. Types alone.

import type {
  CodeInterface,
  Compute,
  ReplicaStatistics,
  Report,
  ReportBody,
  ServingError,
} from "@corral/contract";
import type { ReplicaStatus } from "../domain/replica.ts";
import type { ResidencySample } from "../residency/residency.ts";
import type { ReplicaUpstream } from "./address.ts";

/** How a supervisor writes down what happens. */
export interface ReplicaRecords {
  begin(replica: {
    readonly id: string;
    readonly projectId: string;
    readonly deploymentId: string;
    readonly address: string;
  }): Promise<void>;
  /** Fails with `conflict`, as `setStatus` does, where another platform process has ended the replica. */
  identify(replicaId: string, pid: number, processStarted: string | null): Promise<void>;
  setStatus(replicaId: string, status: ReplicaStatus): Promise<void>;
  /** Commits reports; gives the number up to which all are committed. */
  record(replicaId: string, reports: readonly Report[]): Promise<number>;
  /** Asks a key's budget for all that a run may take; null: granted. */
  reserve(
    replicaId: string,
    reservation: { readonly runId: string; readonly keyId: string; readonly tokenCount: number },
  ): Promise<ServingError | null>;
  /** What a run of the deployment took, for the next one. */
  measure(deploymentId: string, measured: MeasuredRun): Promise<void>;
  /** What the code of a version says of itself. */
  knowCode(versionId: string, known: CodeInterface): Promise<void>;
  /** Ends the row, and the runs that were still open as `replica_lost`. */
  end(replicaId: string, detail: string): Promise<void>;
}

/** Of a replica that was ready. */
export interface MeasuredRun {
  /** From the start of the process to its readiness. */
  readonly loadMs: number;
  /** Most resident memory that it reported; null: it did not live to report any. */
  readonly residentBytes: number | null;
}

export interface LiveReplica {
  readonly id: string;
  readonly address: string;
  readonly token: string | null;
  readonly upstream: ReplicaUpstream;
  readonly ready: boolean;
  readonly inFlightCount: number;
  readonly status: ReplicaStatus;
  /** Null before it is ready, and where another platform process supervises. */
  readonly compute: Compute | null;
  /** Of the last report; null before the first, and where another platform process supervises. */
  readonly load: ReplicaLoad | null;
  /** Resident memory of its process, as of the last report; null as `load`. */
  readonly residentBytes: number | null;
}

/** A deployment at one moment, for metrics. */
export interface DeploymentSample {
  readonly projectId: string;
  readonly deploymentName: string;
  readonly modelName: string;
  /** Of all its replicas since this supervisor began; no count ever falls. */
  readonly statistics: ReplicaStatistics;
  /** Replicas that ended without being asked to. */
  readonly restartCount: number;
  readonly replicas: readonly LiveReplica[];
  readonly residency: ResidencySample;
}

export type ReplicaLoad = Extract<ReportBody, { kind: "load" }>;
