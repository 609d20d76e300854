// A usage report as comma-separated values (RFC 4180).

import type { UsageReport } from "@corral/contract";

const columns = [
  "day",
  "model_id",
  "model_name",
  "key_id",
  "key_name",
  "runs",
  "incomplete_runs",
  "prompt_tokens",
  "cached_tokens",
  "generated_tokens",
  "run_time_ms",
  "cost",
  "unpriced_runs",
] as const;

/** A line for each item, with the report's currency as the last column; no total. */
export function usageCsv({ items, currency }: UsageReport): string {
  const lines = items.map((item) => [...columns.map((name) => item[name]), currency]);
  return [[...columns, "currency"], ...lines].map((line) => `${line.map(field).join(",")}\r\n`).join("");
}

function field(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  // Spreadsheets take such a text for a formula.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
