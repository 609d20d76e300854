// What calls may cost, and what is known of them beyond the life of runs.

import type { BudgetPeriod } from "@corral/contract";
import type { Generated } from "kysely";

export interface BudgetsTable {
  key_id: string;
  project_id: string;
  tokens: number;
  period: BudgetPeriod;
  period_start: Date;
  used: Generated<number>;
  reserved: Generated<number>;
}

/** Decimals as text: `numeric` is exact, and a number would not be. */
export interface PricesTable {
  project_id: string;
  model_id: string;
  valid_from: Date;
  /** ISO 4217. */
  currency: string;
  prompt_token: string;
  cached_token: string;
  generated_token: string;
  per_ms: string;
}

/** Written by a trigger where runs are deleted. */
export interface UsageDaysTable {
  project_id: string;
  day: string;
  model_id: string;
  key_id: string | null;
  price_from: Date | null;
  runs: number;
  incomplete_runs: number;
  prompt_tokens: number;
  cached_tokens: number;
  generated_tokens: number;
  run_time_us: number;
}
