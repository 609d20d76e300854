// All rounds of a workload: whose turn it is, and which rounds count on a machine that others use too.

import type { RunningContender } from "./measure.ts";
import type { Column } from "./report.ts";
import type { Measured, RoundContext } from "./workload.ts";

export interface RoundOptions {
  readonly roundCount: number;
  /** A round in which others took more processors than this does not count and is measured again. */
  readonly maxForeignCores: number;
  /** Waits until others take no more than this, but not for ever. */
  readonly untilQuiet: (maxForeignCores: number) => Promise<void>;
}

/** Rounds that may be measured again for the load of others, for each that was asked for. */
const repeatCount = 3;

export interface MeasuredRounds {
  readonly columns: readonly Column[];
  /** What each contender did in rounds that do not count. */
  readonly disturbed: readonly Readonly<Record<string, Measured>>[];
}

export async function measureRounds(
  running: readonly RunningContender[],
  context: (round: number) => RoundContext,
  { roundCount, maxForeignCores, untilQuiet }: RoundOptions,
): Promise<MeasuredRounds> {
  const kept: Record<string, Measured>[] = [];
  const disturbed: Record<string, Measured>[] = [];
  for (let tried = 0; kept.length < roundCount; tried += 1) {
    if (tried >= roundCount * (1 + repeatCount))
      throw new Error(
        `others took more than ${maxForeignCores} cores in ${disturbed.length} rounds of ${tried}`,
      );
    const round: Record<string, Measured> = {};
    // Each begins as often as the others.
    const first = tried % running.length;
    for (const turn of [...running.slice(first), ...running.slice(0, first)]) {
      if (maxForeignCores < Infinity) await untilQuiet(maxForeignCores);
      const started = performance.now();
      const measured = await turn.measure(context(tried));
      round[turn.contender.name] = measured;
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      const others = Math.max(0, ...foreignCoresOf(measured)).toFixed(2);
      process.stderr.write(
        `  round ${kept.length + 1}/${roundCount}  ${turn.contender.name}  ${seconds} s, others ${others} cores\n`,
      );
      if (Number(others) > maxForeignCores) break;
    }
    const isQuiet = Object.values(round)
      .flatMap(foreignCoresOf)
      .every((cores) => cores <= maxForeignCores);
    (isQuiet ? kept : disturbed).push(round);
  }
  const columns = running.map(({ contender: { name } }) => ({
    contender: name,
    rounds: kept.flatMap((round) => round[name] ?? []),
  }));
  return { columns, disturbed };
}

/** Of each phase, where it is known. */
export function foreignCoresOf({ cpu }: Measured): number[] {
  return Object.values(cpu).flatMap(({ foreignCores }) => foreignCores ?? []);
}
