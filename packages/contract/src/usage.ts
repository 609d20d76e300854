// What was used and what it costs, as the API shows it.

import { z } from "zod";

/** Whether a time is of this era: PostgreSQL's years and JavaScript's end elsewhere. */
const isOurEra = (time: number) => time >= Date.UTC(2000, 0, 1) && time < Date.UTC(9999, 0, 1);
const isDay = (text: string) => {
  const time = Date.parse(`${text}T00:00:00Z`);
  return isOurEra(time) && new Date(time).toISOString().startsWith(text);
};
const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, "must be a day such as 2027-01-31")
  .refine(isDay, "must be a day of the calendar from the year 2000 on");

export const usageGroups = ["day", "model", "key"] as const;
export type UsageGroup = (typeof usageGroups)[number];

const groups = z
  .string()
  .transform((text) => text.split(",").map((word) => word.trim()))
  .pipe(z.array(z.enum(usageGroups)).min(1));

export const usageQuerySchema = z.strictObject({
  from: day.optional().describe("First day, in UTC. Default: 29 days before the last one."),
  to: day.optional().describe("The day after the last one. Default: tomorrow."),
  key: z.string().min(1).max(100).optional().describe("Id or name of an API key."),
  model: z.string().min(1).max(200).optional().describe("Id or name of a model."),
  group_by: groups
    .optional()
    .describe("Which of `day`, `model` and `key` tell items apart, with commas between. Default: all three."),
  format: z.enum(["json", "csv"]).optional().describe("Default: what `Accept` asks for, else JSON."),
});
export type UsageQuery = z.output<typeof usageQuerySchema>;

/** A decimal number as text: money is never a float. */
const amount = z.string();

const counts = {
  runs: z.int().describe("Runs that ended, however they did."),
  incomplete_runs: z
    .int()
    .describe("Those of them whose replica was lost: the last counts that it reported stand."),
  prompt_tokens: z.int().describe("Tokens of prompts, those from the prefix cache included."),
  cached_tokens: z.int().describe("Those of them that the prefix cache had."),
  generated_tokens: z.int().describe("Tokens generated, over all returned sequences."),
  run_time_ms: z.number().describe("The runs' own time: prefill and decode, neither queue nor load."),
  cost: amount
    .nullable()
    .describe("By the prices valid when the runs ended; null: none of them had a price."),
  unpriced_runs: z.int().describe("Runs whose model had no price then; they are not in `cost`."),
} as const;

export const usageItemSchema = z.object({
  day: z.string().optional().describe("In UTC; that on which the runs ended."),
  model_id: z.string().optional(),
  model_name: z.string().optional(),
  key_id: z.string().nullable().optional().describe("Null: the operator's own key."),
  key_name: z.string().nullable().optional(),
  ...counts,
});
export type UsageItem = z.infer<typeof usageItemSchema>;

export const usageReportSchema = z.object({
  from: z.string(),
  to: z.string(),
  currency: z.string().nullable().describe("Of every `cost`; null: the project has no prices."),
  items: z.array(usageItemSchema),
  total: z.object(counts),
});
export type UsageReport = z.infer<typeof usageReportSchema>;

const price = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,18})?$/, 'must be a decimal number as text, such as "0.00000015"')
  .describe('A decimal number as text, such as "0.00000015".');

export const putPriceSchema = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, "must be three capital letters such as EUR"),
  prompt_token: price.default("0").describe("For a token of a prompt. Default: 0."),
  cached_token: price.optional().describe("For one that the prefix cache had. Default: as `prompt_token`."),
  generated_token: price.default("0").describe("For a token that was generated. Default: 0."),
  per_ms: price.default("0").describe("For a millisecond of `run_time_ms`. Default: 0."),
  valid_from: z.iso
    .datetime({ offset: true })
    .refine((text) => isOurEra(Date.parse(text)), "must be from the year 2000 on and before 9999")
    .optional()
    .describe("Runs that end from then on have this price, until the next. Default: now."),
});
export type PutPrice = z.output<typeof putPriceSchema>;

export const priceSchema = z.object({
  model_id: z.string(),
  model_name: z.string(),
  valid_from: z.iso.datetime(),
  currency: z.string(),
  prompt_token: amount,
  cached_token: amount,
  generated_token: amount,
  per_ms: amount,
});
export type Price = z.infer<typeof priceSchema>;
