// A deployment as the residency of models sees it: what it takes, since when somebody wants it, and how long that will
// probably last. Changes nothing.

import { ServingError } from "@corral/contract";
import { defaultLimits, type ReplicaPlan } from "../build/replica-config.ts";
import type { DeploymentState } from "../domain/deployment.ts";
import {
  bookedBytes,
  type Resident,
  type ResidencyLimits,
  type ResidencyPhase,
} from "../domain/residency.ts";
import type { MeasuredRun } from "../replica/live-replica.ts";
import type { MemoryNeeds } from "./memory-needs.ts";
import type { Announcement } from "./place.ts";

/** What is asked of a supervisor. */
export interface Loadable {
  readonly state: DeploymentState;
  readonly phase: ResidencyPhase;
  readonly returnsAt: number | null;
  readonly loadingSince: number;
  readonly lastRun: MeasuredRun | null;
  readonly lastUsedAt: number;
  readonly inFlightCount: number;
  load(): void;
  unload(): void;
  refuse(reason: string): void;
  /** It waits for a call. */
  rest(): void;
  callEnded(): void;
}

export type MemberPlan = Pick<
  ReplicaPlan,
  "deploymentId" | "deploymentName" | "memory" | "lastRun" | "settings" | "manifest"
>;

/** What becomes of a deployment at the start. Where there is no room at once, `load_where_room_is` waits for a call. */
export type StartWish = "load" | "load_where_room_is" | "wait_for_call";

interface MemberOptions {
  readonly id: string;
  readonly name: string;
  readonly needs: MemoryNeeds;
  /** Of a platform process before; null: none is known. */
  readonly lastRun: MeasuredRun | null;
  /** Null: it stays while there is room. */
  idleMs: number | null;
  /** Where its deployment says nothing. */
  readonly defaultIdleMs: number | null;
  /** Calls that may wait for it. */
  readonly queueLength: number;
}

/** A call that waits. */
export interface Place {
  readonly since: number;
  readonly heldBytes: number;
  readonly announcement: Announcement;
}

export interface Member extends MemberOptions {
  readonly supervisor: Loadable;
  readonly places: Set<Place>;
  /** Somebody wanted it, and is not here just now. */
  kept: { readonly since: number; readonly until: number } | null;
  /** Since when it is to be loaded for the first time. */
  startSince: number | null;
  /** It has answered before, and is to be loaded again if there is room at once. */
  returns: boolean;
  residentAt: number;
  seenPhase: ResidencyPhase;
  /** Booked while it is not unloaded. */
  bookedBytes: number;
  calledAt: number | null;
  /** When the first call came since it failed, or was tried again; null: none has. */
  missedSince: number | null;
  endedAt: number;
  gapMs: number | null;
  loadCount: number;
  unloadCount: number;
}

/** Of a model that was never loaded: hashing and reading its file. */
const startMs = 1_000;
const readBytesPerMs = 500_000;

/** @param platformIdleMs of deployments that say nothing */
export function createMember(
  supervisor: Loadable,
  { deploymentId, deploymentName, memory, lastRun, settings, manifest }: MemberPlan,
  wish: StartWish,
  { platformIdleMs, now }: { readonly platformIdleMs: number | null; readonly now: number },
): Member {
  const { limits } = manifest.config;
  const defaultIdleMs = limits.idleSeconds === undefined ? platformIdleMs : limits.idleSeconds * 1000;
  return {
    id: deploymentId,
    name: deploymentName,
    needs: memory,
    lastRun,
    defaultIdleMs,
    idleMs: settings.idleSeconds === null ? defaultIdleMs : settings.idleSeconds * 1000,
    queueLength: limits.queueLength ?? defaultLimits.queueLength,
    supervisor,
    places: new Set(),
    kept: null,
    startSince: wish === "load" ? now : null,
    returns: wish === "load_where_room_is",
    residentAt: 0,
    seenPhase: "unloaded",
    bookedBytes: 0,
    calledAt: null,
    missedSince: null,
    endedAt: 0,
    gapMs: null,
    loadCount: 0,
    unloadCount: 0,
  };
}

/** As the policy looks at it. */
export function toResident(member: Member, capBytes: number, now: number): Resident {
  const { supervisor, places, kept, startSince, residentAt, missedSince } = member;
  const { phase, returnsAt, lastUsedAt } = supervisor;
  const oldest = places.values().next().value?.since;
  // Whoever wished it at another platform process has used it once a run began.
  const isUsed = phase === "resident" && lastUsedAt > residentAt;
  const keptSince = kept !== null && !isUsed && now < kept.until ? kept.since : undefined;
  // Calls of one that failed are refused at once. Where there were any, the next try is worth others' room.
  const missed = returnsAt === null ? null : missedSince;
  const since = [oldest, keptSince, startSince ?? undefined, missed ?? undefined].filter(
    (time) => time !== undefined,
  );
  return {
    id: member.id,
    phase,
    bytes: phase === "unloaded" ? neededBytes(member, capBytes) : member.bookedBytes,
    inFlightCount: supervisor.inFlightCount,
    waitingSince: since.length === 0 ? null : Math.min(...since),
    lastUsedAt: Math.max(member.calledAt ?? 0, member.endedAt, lastUsedAt),
    loadMs: loadMsOf(member),
    gapMs: member.gapMs,
    idleMs: member.idleMs,
    returns: returnsAt !== null || member.returns,
    notBefore: returnsAt ?? 0,
  };
}

/**
 * What is predicted, and by how much its last run was seen to hold more: memory that a short run did not touch is
 * needed by a longer one, so that a measurement only raises it. It has been loaded, so that it is never too large.
 */
export function neededBytes({ needs, lastRun, supervisor }: Member, capBytes: number): number {
  const measured = supervisor.lastRun?.residentBytes ?? lastRun?.residentBytes ?? 0;
  const bytes = needs.bytes + Math.max(0, measured - needs.residentBytes);
  return needs.problem === null ? Math.min(bytes, capBytes) : bytes;
}

function loadMsOf({ needs, lastRun, supervisor }: Member): number {
  return supervisor.lastRun?.loadMs ?? lastRun?.loadMs ?? startMs + needs.bytes / readBytesPerMs;
}

/** How long it will probably take until it is loaded, at least one. */
export function retryAfterSeconds(
  member: Member,
  members: Iterable<Member>,
  { capBytes, starvationMs }: ResidencyLimits,
  now: number,
): number {
  const own = toResident(member, capBytes, now);
  const { phase, loadingSince } = member.supervisor;
  let ms = own.loadMs;
  if (phase === "loading") ms -= now - loadingSince;
  else {
    const since = own.waitingSince ?? now;
    const all = [...members].map((one) => toResident(one, capBytes, now));
    // Loads before it take their time, and models in use end only when it has waited long enough.
    const ahead = all.filter((one) => one.phase === "unloaded" && (one.waitingSince ?? Infinity) < since);
    ms += ahead.reduce((sum, one) => sum + one.loadMs, 0);
    const fits = bookedBytes(all) + own.bytes <= capBytes;
    const unused = all.some((one) => one.phase === "resident" && one.inFlightCount === 0);
    if (!fits && !unused) ms += Math.max(0, since + starvationMs - now);
  }
  return Math.max(1, Math.ceil(ms / 1000));
}

export function failedError({ name, supervisor }: Member): ServingError {
  return new ServingError(
    "deployment_failed",
    `Deployment ${name} cannot start. ${supervisor.state.detail ?? ""}`.trim(),
  );
}
