// Garbage collection: what a call asks for, and the report of what went or would go.

import { z } from "zod";

/** What may be collected, each referring only to later ones. */
export const garbageKinds = [
  "runs",
  "deployments",
  "versions",
  "bundles",
  "uploads",
  "weights",
  "adapters",
  "hub",
  "prefixes",
  "environments",
  "logs",
] as const;
export type GarbageKind = (typeof garbageKinds)[number];

/** Where a call names none. Others fetch into the hub's cache as well: it is cleared only where that is asked for. */
export const defaultGarbageKinds: readonly GarbageKind[] = garbageKinds.filter((kind) => kind !== "hub");

/** What was used within the hour may be on its way to a reference. */
export const leastGarbageSeconds = 3_600;
export const defaultGarbageSeconds = 7 * 86_400;
const mostGarbageSeconds = 3_650 * 86_400;
/** Of a report: the sums count all. */
export const mostGarbageItems = 1_000;

export const collectGarbageSchema = z.strictObject({
  dry_run: z.boolean().default(false).describe("true: nothing is removed; the report says what would be."),
  older_than_seconds: z
    .int()
    .min(leastGarbageSeconds)
    .max(mostGarbageSeconds)
    .default(defaultGarbageSeconds)
    .describe(
      "What was used within so long stays, with all that it refers to. Runs have CORRAL_RUN_RETENTION_DAYS instead.",
    ),
  kinds: z
    .array(z.enum(garbageKinds))
    .min(1)
    .optional()
    .describe(
      "Of these kinds alone; default: all but `hub`, as other programs and installations fetch into the hub's cache too.",
    ),
});
export type CollectGarbage = z.infer<typeof collectGarbageSchema>;

export const garbageItemSchema = z.object({
  kind: z.enum(garbageKinds),
  id: z
    .string()
    .describe("An id, a digest, or a path below its place: `docs/garbage-collection.md` says which."),
  bytes: z.int().describe("Of its files; what other files share is freed with the last of them."),
  last_used_at: z.string(),
  reason: z.string(),
});
export type GarbageItem = z.infer<typeof garbageItemSchema>;

export const garbageReportSchema = z.object({
  dry_run: z.boolean(),
  kinds: z
    .array(z.object({ kind: z.enum(garbageKinds), count: z.int(), bytes: z.int() }))
    .describe("Every kind that was asked for, with what was removed, or would be."),
  items: z.array(garbageItemSchema).describe(`At most ${mostGarbageItems}; runs are only counted.`),
  items_left_out: z.int().describe("How many more there are."),
  kept: z.int().describe("What was to go and was found in use, or could not be removed."),
  warnings: z.array(z.string()),
});
export type GarbageReport = z.infer<typeof garbageReportSchema>;
