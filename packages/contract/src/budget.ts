// Budgets of API keys, as the API shows and takes them.

import { z } from "zod";

export const budgetPeriods = ["day", "month", "total"] as const;
export type BudgetPeriod = (typeof budgetPeriods)[number];

const settings = {
  tokens: z
    .int()
    .positive()
    .describe("Most tokens of prompts and generated ones together, over all returned sequences."),
  period: z.enum(budgetPeriods).describe("A day or month of UTC, after which it is full again; or all time."),
} as const;

export const setBudgetSchema = z.strictObject(settings);
export type SetBudget = z.infer<typeof setBudgetSchema>;

export const budgetSchema = z.object({
  ...settings,
  used: z.int().describe("By calls of the period that ended."),
  reserved: z.int().describe("The most that calls which run now may still take."),
  renews_at: z.iso.datetime().nullable().describe("Null: never."),
});
export type Budget = z.infer<typeof budgetSchema>;
