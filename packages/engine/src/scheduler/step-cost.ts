// What a step costs on this device: a running fit of its time to its tokens, their rows and what they attend to.
// Pure; times come from whoever measured them.

export interface StepShape {
  readonly tokenCount: number;
  /** Positions that the tokens attend to, summed: a token at position p counts p + 1. */
  readonly attendedCount: number;
  /** Rows that are wanted of it: a next token has one, most tokens of a prompt have none. */
  readonly rowCount: number;
}

/** Tokens that might join a step. */
export interface JoiningTokens {
  /** Position of the first. */
  readonly start: number;
  /** The row of each is wanted, and not only that of the last. */
  readonly everyRow: boolean;
}

export interface StepCost {
  observe(shape: StepShape, tookMs: number): void;
  /** Null before the first observation. */
  predictMs(shape: StepShape): number | null;
  /** What the positions `[start, end)` of one sequence cost beside others: without the step's fixed part. */
  positionsMs(start: number, end: number): number;
  /**
   * Most tokens of one sequence that may join a step of the shape `base` within `boundMs`, with room for how far the
   * fit has been off lately. `beside`, a part of `base`, would be computed anyway and does not count; default: nothing.
   * Null before the first observation.
   */
  tokensWithin(base: StepShape, tokens: JoiningTokens, boundMs: number, beside?: StepShape): number | null;
}

/**
 * The weight of the past when a step like those before is added: the last hundred or so count. What such a step tells
 * nothing of is not forgotten, or a long answer alone would leave a fit that knows nothing of prompts.
 */
const memory = 0.99;
/** The weight, in observations, of knowing nothing: then a step's time is put down to all its parts alike. */
const priorWeight = 1e-3;
/** The same as a share of what was seen of a part: far above rounding, far below what an observation adds. */
const priorShare = 1e-9;
/** Attended positions are counted in thousands, so that the parts are of like size. */
const attendedUnit = 1000;
/** A step that was held up by other work counts as at most so many times what was expected. */
const longestOutlier = 4;
const partCount = 4;
/** The first steps are unlike what few of them before tell: so many count as at most `earlyOutlier` above the fit. */
const earlyStepCount = 2 * partCount;
const earlyOutlier = 1.5;

export const nothing: StepShape = { tokenCount: 0, attendedCount: 0, rowCount: 0 };

type Parts = readonly [fixed: number, perToken: number, perAttended: number, perRow: number];

export function createStepCost(): StepCost {
  /** Normal equations: sums of the products of the parts, and of the parts with the times. */
  const products = Array.from({ length: partCount }, () => new Float64Array(partCount));
  const moments = new Float64Array(partCount);
  let coefficients: Parts | null = null;
  /** How far above the fit steps have been lately, in [1, longestOutlier]. */
  let overshoot = 1;
  let observedCount = 0;

  function predictMs(shape: StepShape): number | null {
    return coefficients === null ? null : dot(coefficients, partsOf(shape));
  }

  return {
    predictMs,
    observe(shape, tookMs) {
      const parts = partsOf(shape);
      const expectedMs = predictMs(shape);
      const countedMs = expectedMs === null ? tookMs : Math.min(tookMs, longestOutlier * expectedMs);
      if (expectedMs !== null && expectedMs > 0) {
        const most = observedCount < earlyStepCount ? earlyOutlier : longestOutlier;
        const ratio = Math.min(most, tookMs / expectedMs);
        overshoot = Math.max(1, ratio, 1 + (overshoot - 1) * 0.9);
      }
      observedCount += 1;
      addObservation(products, moments, parts, countedMs);
      coefficients = solve(products, moments);
      if (coefficients.every(Number.isFinite)) return;
      // Better to know nothing than to plan with what is no number.
      for (const sums of [...products, moments]) sums.fill(0);
      coefficients = null;
      observedCount = 0;
    },
    positionsMs(start, end) {
      const [, perToken, perAttended] = coefficients ?? [0, 1, 0, 0];
      return perToken * (end - start) + (perAttended * attendedBetween(start, end)) / attendedUnit;
    },
    tokensWithin(base, { start, everyRow }, boundMs, beside = nothing) {
      if (coefficients === null) return null;
      const [, perToken, perAttended, perRow] = coefficients;
      const besideMs = beside.tokenCount === 0 ? 0 : dot(coefficients, partsOf(beside));
      const leftMs = boundMs / overshoot - (dot(coefficients, partsOf(base)) - besideMs);
      if (leftMs <= 0) return 0;
      // perAttended · (n · start + n²/2) + (perToken + perRow, where each has one) · n = leftMs
      const square = perAttended / attendedUnit / 2;
      const ofToken = everyRow ? perToken + perRow : perToken;
      const linear = ofToken + (perAttended * (start + 0.5)) / attendedUnit;
      if (square === 0) return linear === 0 ? Infinity : Math.floor(leftMs / linear);
      return Math.floor((Math.sqrt(linear * linear + 4 * square * leftMs) - linear) / (2 * square));
    },
  };
}

/** Positions attended by the tokens `[start, end)` of one sequence. */
export function attendedBetween(start: number, end: number): number {
  return ((end - start) * (start + end + 1)) / 2;
}

function partsOf({ tokenCount, attendedCount, rowCount }: StepShape): Parts {
  return [1, tokenCount, attendedCount / attendedUnit, rowCount];
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let part = 0; part < partCount; part += 1) sum += (a[part] ?? 0) * (b[part] ?? 0);
  return sum;
}

/**
 * Forgets in the direction of the new observation alone, then adds it: directional forgetting for least squares, after
 * Cao and Schwartz, A directional forgetting algorithm based on the decomposition of the information matrix,
 * Automatica 36 (2000).
 */
function addObservation(
  products: readonly Float64Array[],
  moments: Float64Array,
  parts: Parts,
  tookMs: number,
): void {
  const seen = products.map((row) => dot(row, parts));
  const known = dot(seen, parts);
  const forgotten = known > 0 ? (1 - memory) / known : 0;
  const momentSeen = dot(moments, parts);
  for (const [row, part] of parts.entries()) {
    const ofRow = products[row];
    if (ofRow === undefined) continue;
    const seenOfRow = seen[row] ?? 0;
    for (const [column, other] of parts.entries()) {
      // The other triangle is this one: rounded apart they would drift apart.
      ofRow[column] =
        column < row
          ? (products[column]?.[row] ?? 0)
          : (ofRow[column] ?? 0) - forgotten * (seenOfRow * (seen[column] ?? 0)) + part * other;
    }
    moments[row] = (moments[row] ?? 0) - forgotten * seenOfRow * momentSeen + part * tookMs;
  }
}

/** Least squares whose coefficients are not negative: a part that would be is left out. */
function solve(products: readonly Float64Array[], moments: Float64Array): Parts {
  const used = new Set([0, 1, 2, 3]);
  for (;;) {
    const solution = solveFor([...used], products, moments);
    const negative = [...used].find((part) => (solution[part] ?? 0) < 0);
    if (negative === undefined)
      return [solution[0] ?? 0, solution[1] ?? 0, solution[2] ?? 0, solution[3] ?? 0];
    used.delete(negative);
  }
}

/** Gaussian elimination over the parts that are used; the others are 0. The prior makes it regular. */
function solveFor(
  used: readonly number[],
  products: readonly Float64Array[],
  moments: Float64Array,
): number[] {
  const rows = used.map((row) => [
    ...used.map((column) => {
      const product = products[row]?.[column] ?? 0;
      return row === column ? product * (1 + priorShare) + priorWeight : product;
    }),
    moments[row] ?? 0,
  ]);
  for (const [pivot, pivotRow] of rows.entries()) {
    for (const [index, row] of rows.entries()) {
      if (index === pivot) continue;
      const factor = (row[pivot] ?? 0) / (pivotRow[pivot] ?? 1);
      for (const [column, value] of pivotRow.entries()) row[column] = (row[column] ?? 0) - factor * value;
    }
  }
  const solution = [0, 0, 0, 0];
  for (const [index, part] of used.entries()) {
    const row = rows[index] ?? [];
    solution[part] = (row[used.length] ?? 0) / (row[index] ?? 1);
  }
  return solution;
}
