// The models of this platform process in memory: who waits for which, what each takes, and the policy's steps carried
// out. What is loaded when is decided in `../domain/residency.ts`; processes are the supervisors'.

import { ServingError } from "@corral/contract";
import type { Logger } from "pino";
import { bookedBytes, planResidency, type Resident, type ResidencyPhase } from "../domain/residency.ts";
import {
  createMember,
  failedError,
  neededBytes,
  retryAfterSeconds,
  toResident,
  type Loadable,
  type Member,
  type MemberPlan,
  type Place,
  type StartWish,
} from "./member.ts";
import { createAnnouncement, type LoadPlace } from "./place.ts";

export interface ResidencyOptions {
  readonly capBytes: number;
  readonly starvationMs: number;
  /** Of deployments that say nothing; null: they stay while there is room. */
  readonly idleMs: number | null;
  readonly now: () => number;
  readonly log: Logger;
  /** Most bytes of bodies that are held for waiting calls; default 256 MiB. */
  readonly heldBytes?: number;
}

/** For metrics. */
export interface ResidencySample {
  readonly loadCount: number;
  readonly unloadCount: number;
  readonly waitingCount: number;
  readonly bookedBytes: number;
}

const defaultHeldBytes = 256 * 1024 * 1024;
export class Residency {
  readonly #options: ResidencyOptions;
  readonly #members = new Map<string, Member>();
  /** Removed, with processes that are not gone: they take their room until then. */
  readonly #leaving = new Map<string, Member>();
  #scheduled = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the end of a call may change what is to be done. */
  #attentive = false;

  constructor(options: ResidencyOptions) {
    this.#options = options;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  sample(id: string): ResidencySample {
    const member = this.#members.get(id);
    if (member === undefined) return { loadCount: 0, unloadCount: 0, waitingCount: 0, bookedBytes: 0 };
    const { loadCount, unloadCount, places, seenPhase } = member;
    const booked = seenPhase === "unloaded" ? 0 : member.bookedBytes;
    return { loadCount, unloadCount, waitingCount: places.size, bookedBytes: booked };
  }

  add(supervisor: Loadable, plan: MemberPlan, wish: StartWish): void {
    const { capBytes, idleMs: platformIdleMs, log, now } = this.#options;
    const member = createMember(supervisor, plan, wish, { platformIdleMs, now: now() });
    this.#members.set(member.id, member);
    log.info({ deployment: member.name, predicted_bytes: member.needs.bytes }, "memory is predicted");
    const { problem } = member.needs;
    if (problem !== null) {
      supervisor.refuse(
        `model_too_large: ${problem} All models together may take ${capBytes} bytes; CORRAL_MEMORY_BYTES gives more.`,
      );
    }
    this.changed();
  }

  /** Whoever waits for it is told `error`. What it takes is free with `gone`. */
  remove(id: string, error: ServingError): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    if (member.supervisor.phase !== "unloaded") this.#leaving.set(id, member);
    for (const { announcement } of member.places) announcement.fail(error);
    this.changed();
  }

  /** To be called when the process of one that was removed has ended. */
  gone(id: string): void {
    if (this.#leaving.delete(id)) this.changed();
  }

  /** Nothing is loaded any more, and nobody waits. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    const error = new ServingError("shutting_down", "The server is shutting down; try again shortly.");
    for (const { places } of this.#members.values())
      for (const { announcement } of places) announcement.fail(error);
  }

  /** To be called for each call to the deployment as it comes. */
  arrived(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    const at = this.#options.now();
    if (member.calledAt !== null) {
      const gap = at - member.calledAt;
      member.gapMs = member.gapMs === null ? gap : (member.gapMs + gap) / 2;
    }
    member.calledAt = at;
    if (member.supervisor.phase === "resident") member.kept = null;
    if (member.supervisor.state.status !== "failed" || member.missedSince !== null) return;
    member.missedSince = at;
    this.changed();
  }

  /** To be called after the answer of each call that went to a replica. */
  ended(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    member.endedAt = this.#options.now();
    member.supervisor.callEnded();
    if (this.#attentive) this.changed();
  }

  /**
   * A place among those who wait. Fails with `queue_full`, with `deployment_failed`, or with `model_loading` where too
   * many bytes are held for waiting calls. Null: another platform process runs the deployment.
   */
  wait(id: string, heldBytes: number): LoadPlace | null {
    const member = this.#members.get(id);
    if (member === undefined) return null;
    const { now } = this.#options;
    const { name, supervisor, places, queueLength } = member;
    const retryIn = () => retryAfterSeconds(member, this.#members.values(), this.#options, now());
    if (this.#closed) throw new ServingError("shutting_down", "The server is shutting down.");
    if (supervisor.state.status === "failed") throw failedError(member);
    if (places.size >= queueLength) {
      throw new ServingError("queue_full", `${places.size} calls wait for ${name} to be loaded already.`, {
        retryAfterSeconds: retryIn(),
      });
    }
    if (this.#heldBytes() + heldBytes > (this.#options.heldBytes ?? defaultHeldBytes)) {
      throw new ServingError("model_loading", `${name} is being loaded, and too much waits for it already.`, {
        retryAfterSeconds: retryIn(),
      });
    }
    const place: Place = { since: now(), heldBytes, announcement: createAnnouncement() };
    places.add(place);
    this.changed();
    return {
      loaded: async () => {
        // What has a place is not unloaded, but it may end by itself.
        while (member.supervisor.phase !== "resident") await place.announcement.heard();
      },
      retryAfterSeconds: retryIn,
      keepWish: (ms) => this.#keep(member, place.since, ms),
      [Symbol.dispose]: () => {
        if (places.delete(place)) this.changed();
      },
    };
  }

  /** Somebody elsewhere wants it; holds for `ms`. */
  want(id: string, ms: number): void {
    const member = this.#members.get(id);
    if (member !== undefined && member.supervisor.phase !== "resident")
      this.#keep(member, this.#options.now(), ms);
  }

  /** Null: what the version or the platform says. */
  setIdleSeconds(id: string, seconds: number | null): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    const idleMs = seconds === null ? member.defaultIdleMs : seconds * 1000;
    if (idleMs === member.idleMs) return;
    member.idleMs = idleMs;
    this.changed();
  }

  /** To be called after whatever may change what is to be loaded. */
  changed(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#carryOut();
    });
  }

  #keep(member: Member, since: number, ms: number): void {
    const now = this.#options.now();
    const before = member.kept !== null && now < member.kept.until ? member.kept : { since, until: 0 };
    member.kept = { since: Math.min(before.since, since), until: Math.max(before.until, now + ms) };
    setTimeout(() => this.changed(), ms + 1).unref();
    this.changed();
  }

  #carryOut(): void {
    const { now, capBytes, starvationMs } = this.#options;
    for (const member of this.#members.values()) this.#follow(member);
    const residents = this.#residents();
    const { steps, nextAt } = planResidency(residents, { capBytes, starvationMs }, now());
    this.#attentive = residents.some(
      ({ idleMs, phase, waitingSince }) => idleMs !== null || (phase === "unloaded" && waitingSince !== null),
    );
    for (const { kind, id } of steps) {
      const member = this.#members.get(id);
      if (member === undefined) continue;
      if (kind === "load") {
        member.bookedBytes = neededBytes(member, capBytes);
        // Another call has to ask for the try after this one.
        member.missedSince = null;
      } else member.unloadCount += 1;
      member.supervisor[kind]();
      this.#follow(member);
    }
    for (const member of this.#members.values()) {
      if (member.returns && member.supervisor.phase === "unloaded") member.supervisor.rest();
      member.returns = false;
    }
    clearTimeout(this.#timer);
    if (nextAt !== null) this.#timer = setTimeout(() => this.changed(), Math.max(1, nextAt - now())).unref();
  }

  /** Counts and tells what became of it since it was looked at last. */
  #follow(member: Member): void {
    const { supervisor, seenPhase, places } = member;
    const { phase } = supervisor;
    if (supervisor.state.status !== "failed") member.missedSince = null;
    else {
      member.startSince = null;
      for (const { announcement } of places) announcement.fail(failedError(member));
    }
    if (phase === seenPhase) return;
    member.seenPhase = phase;
    if (phase === "resident") {
      member.loadCount += 1;
      member.startSince = null;
      member.residentAt = supervisor.lastUsedAt;
      for (const { announcement } of places) announcement.announce();
    }
    this.#tell(member, phase);
  }

  #tell({ name, bookedBytes: bytes, supervisor, places }: Member, phase: ResidencyPhase): void {
    const residents = this.#residents();
    this.#options.log.info(
      {
        deployment: name,
        phase,
        bytes,
        used_bytes: bookedBytes(residents),
        cap_bytes: this.#options.capBytes,
        calls_waiting: places.size,
        ...(phase === "resident" ? { load_ms: supervisor.lastRun?.loadMs } : {}),
      },
      "residency",
    );
  }

  #residents(): Resident[] {
    const { capBytes, now } = this.#options;
    const at = now();
    const leaving = [...this.#leaving.values()].map((member): Resident => {
      const one = toResident(member, capBytes, at);
      return { ...one, phase: "unloading", bytes: member.bookedBytes, waitingSince: null, returns: false };
    });
    return [...[...this.#members.values()].map((member) => toResident(member, capBytes, at)), ...leaving];
  }

  #heldBytes(): number {
    let sum = 0;
    for (const { places } of this.#members.values()) for (const { heldBytes } of places) sum += heldBytes;
    return sum;
  }
}
