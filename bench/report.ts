// Figures of rounds → what is printed and kept: the judged contender against each other one, round by round, so that
// a machine that changes speed changes both. Pure.

import { estimateMedian, type Estimate } from "./statistics.ts";
import type { Figure, Measured } from "./workload.ts";

/** One contender's measurements, a round each. */
export interface Column {
  readonly contender: string;
  readonly rounds: readonly Measured[];
}

export interface FigureReport {
  readonly figure: string;
  readonly unit: string;
  readonly better: Figure["better"];
  readonly contenders: readonly ContenderReport[];
}

export interface ContenderReport {
  readonly contender: string;
  /** One value a round. */
  readonly values: readonly number[];
  readonly median: Estimate | null;
  /** How many times better the judged contender is; null for itself, or where one has no value. */
  readonly ratio: Estimate | null;
  readonly skipped: string | null;
}

export function compareFigure(figure: Figure, columns: readonly Column[], seed: string): FigureReport {
  const judged = columns[0] === undefined ? null : valuesOf(figure, columns[0]);
  const contenders = columns.map((column, index): ContenderReport => {
    const { values, skipped } = valuesOf(figure, column);
    const words = `${seed}/${figure.name}/${column.contender}`;
    const comparable =
      index > 0 && figure.better !== null && values.length > 0 && judged?.values.length === values.length;
    const ratios = values.map((value, round) => ratioOf(figure, judged?.values[round] ?? Number.NaN, value));
    return {
      contender: column.contender,
      values,
      median: values.length === 0 ? null : estimateMedian(values, words),
      ratio: comparable && ratios.every(Number.isFinite) ? estimateMedian(ratios, words) : null,
      skipped,
    };
  });
  const { name, unit, better } = figure;
  return { figure: name, unit, better, contenders };
}

/** One round without a value leaves the contender without one: rounds are compared in pairs. */
function valuesOf(figure: Figure, column: Column): { values: number[]; skipped: string | null } {
  const values: number[] = [];
  for (const measured of column.rounds) {
    const value = figure.value(measured);
    if (typeof value !== "number") return { values: [], skipped: value.skipped };
    values.push(value);
  }
  return { values, skipped: null };
}

/** Above 1 where the judged one is better. */
function ratioOf({ better }: Figure, judged: number, other: number): number {
  return better === "higher" ? judged / other : other / judged;
}

/** Lines for people: a table for each figure, the hardest peer marked. */
export function printComparison(reports: readonly FigureReport[]): string {
  return reports.map(printFigure).join("\n\n");
}

function printFigure({ figure, unit, better, contenders }: FigureReport): string {
  const hardest = hardestOf(contenders);
  const width = Math.max(...contenders.map(({ contender }) => contender.length));
  const lines = contenders.map((contender) => {
    const name = `  ${contender.contender.padEnd(width)}`;
    if (contender.median === null) return `${name}  skipped: ${contender.skipped ?? "no value"}`;
    const { median, low, high } = contender.median;
    const value = `${show(median).padStart(9)} [${show(low)}, ${show(high)}]`;
    if (contender.ratio === null) return `${name}  ${value}`;
    const ratio = `${contender.ratio.median.toFixed(2)} × [${contender.ratio.low.toFixed(2)}, ${contender.ratio.high.toFixed(2)}]`;
    return `${name}  ${value.padEnd(30)}  ${ratio}${contender === hardest ? "  ← hardest" : ""}`;
  });
  const words = [
    unit === "" ? figure : `${figure} (${unit})`,
    ...(better === null ? [] : [`${better} is better`]),
  ];
  return [words.join(", "), ...lines].join("\n");
}

/** The peer that the judged contender is least ahead of. */
function hardestOf(contenders: readonly ContenderReport[]): ContenderReport | null {
  let hardest: ContenderReport | null = null;
  let least = Infinity;
  for (const contender of contenders) {
    if (contender.ratio === null || contender.ratio.median >= least) continue;
    hardest = contender;
    least = contender.ratio.median;
  }
  return hardest;
}

function show(value: number): string {
  if (value === 0) return "0";
  return Math.abs(value) >= 1_000 ? value.toFixed(0) : value.toPrecision(4);
}
