// A machine of models in simulated time, run by the policy alone: what is loaded, who is served when, how full it gets.
// Imported by tests only.

import { bookedBytes, planResidency, type Resident, type ResidencyLimits } from "../residency.ts";

export interface Model {
  readonly bytes: number;
  readonly loadMs: number;
  readonly unloadMs: number;
  /** So many of its first loads fail. */
  readonly failures: number;
}

export interface Call {
  readonly at: number;
  /** Index of the model. */
  readonly model: number;
  readonly callMs: number;
  /** How long it waits; null: for ever. */
  readonly patienceMs: number | null;
}

export interface SimulatedCall extends Call {
  servedAt: number | null;
  leftAt: number | null;
}

export interface Simulation {
  readonly calls: readonly SimulatedCall[];
  /** By model: successful loads. */
  readonly loads: ReadonlyMap<string, number>;
  readonly unloadCount: number;
  readonly mostBytes: number;
  /** When the last thing happened. */
  readonly endedAt: number;
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

const retryMs = 100;

interface Machine {
  readonly model: Model;
  readonly resident: { -readonly [Key in keyof Resident]: Resident[Key] };
  readonly waiting: SimulatedCall[];
  failuresLeft: number;
  calledAt: number | null;
}

function createMachine(model: Model, index: number): Machine {
  return {
    model,
    resident: {
      id: `m${index}`,
      phase: "unloaded",
      bytes: model.bytes,
      inFlightCount: 0,
      waitingSince: null,
      lastUsedAt: 0,
      loadMs: model.loadMs,
      gapMs: null,
      idleMs: null,
      returns: false,
      notBefore: 0,
    },
    waiting: [],
    failuresLeft: model.failures,
    calledAt: null,
  };
}

/** Throws where the policy asks for what cannot be: a second copy, or to unload what is not loaded. */
export function simulate(
  models: readonly Model[],
  given: readonly Call[],
  limits: ResidencyLimits,
): Simulation {
  const machines = models.map(createMachine);
  const residents = machines.map(({ resident }) => resident);
  const calls: SimulatedCall[] = given.map((call) => ({ ...call, servedAt: null, leftAt: null }));
  const loads = new Map<string, number>();
  const events: Event[] = [];
  let [now, mostBytes, unloadCount, plannedAt] = [0, 0, 0, -1];

  /** Kept in the order in which they happen. */
  const later = (at: number, run: () => void) => {
    let [from, to] = [0, events.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((events[middle]?.at ?? 0) <= at) from = middle + 1;
      else to = middle;
    }
    events.splice(from, 0, { at, run });
  };

  const gone = ({ model, resident }: Machine) =>
    later(now + model.unloadMs, () => (resident.phase = "unloaded"));
  const serve = (machine: Machine, call: SimulatedCall) => {
    const { resident } = machine;
    resident.inFlightCount += 1;
    resident.lastUsedAt = now;
    call.servedAt = now;
    later(now + call.callMs, () => {
      resident.inFlightCount -= 1;
      resident.lastUsedAt = now;
      if (resident.phase === "unloading" && resident.inFlightCount === 0) gone(machine);
    });
  };
  const countWaiting = ({ resident, waiting }: Machine) => {
    resident.waitingSince = waiting[0]?.at ?? null;
  };

  const unload = (machine: Machine) => {
    const { resident } = machine;
    if (resident.phase !== "resident")
      throw new Error(`${resident.id} is ${resident.phase} and to be unloaded`);
    resident.phase = "unloading";
    unloadCount += 1;
    if (resident.inFlightCount === 0) gone(machine);
  };
  const load = (machine: Machine) => {
    const { model, resident, waiting } = machine;
    if (resident.phase !== "unloaded")
      throw new Error(`${resident.id} is ${resident.phase} and to be loaded`);
    resident.phase = "loading";
    resident.returns = false;
    later(now + model.loadMs, () => {
      if (machine.failuresLeft > 0) {
        machine.failuresLeft -= 1;
        Object.assign(resident, { phase: "unloaded", returns: true, notBefore: now + retryMs });
        return;
      }
      resident.phase = "resident";
      resident.lastUsedAt = now;
      loads.set(resident.id, (loads.get(resident.id) ?? 0) + 1);
      for (const call of waiting.splice(0)) serve(machine, call);
      countWaiting(machine);
    });
  };

  const leave = (machine: Machine, call: SimulatedCall) => {
    const place = machine.waiting.indexOf(call);
    if (place === -1) return;
    machine.waiting.splice(place, 1);
    call.leftAt = now;
    countWaiting(machine);
  };
  const arrive = (machine: Machine, call: SimulatedCall) => {
    const { resident, waiting, calledAt } = machine;
    if (calledAt !== null) resident.gapMs = ((resident.gapMs ?? now - calledAt) + now - calledAt) / 2;
    machine.calledAt = now;
    if (resident.phase === "resident") return serve(machine, call);
    waiting.push(call);
    countWaiting(machine);
    if (call.patienceMs !== null) later(now + call.patienceMs, () => leave(machine, call));
  };
  for (const call of calls) {
    const machine = machines[call.model];
    if (machine !== undefined) later(call.at, () => arrive(machine, call));
  }

  for (let count = 0; ; count += 1) {
    if (count > 200_000) throw new Error("The simulation never ends.");
    const event = events.shift();
    if (event === undefined) return { calls, loads, unloadCount, mostBytes, endedAt: now };
    now = event.at;
    event.run();
    if (events[0]?.at === now) continue;
    const { steps, nextAt } = planResidency(residents, limits, now);
    for (const { kind, id } of steps) {
      const machine = machines.find(({ resident }) => resident.id === id);
      if (machine === undefined) throw new Error(`There is no ${id}.`);
      if (kind === "load") load(machine);
      else unload(machine);
    }
    mostBytes = Math.max(mostBytes, bookedBytes(residents));
    if (nextAt === null || nextAt === plannedAt) continue;
    if (nextAt <= now) throw new Error("The next plan lies in the past.");
    plannedAt = nextAt;
    later(nextAt, () => {});
  }
}
