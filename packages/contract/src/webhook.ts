// Results on their way to a caller's URL, as the management API shows them.

import { z } from "zod";
import { dialects } from "./run.ts";

/** `dead`: the receiver refused it, or never took it. `canceled`: it was not wanted. */
export const deliveryStatuses = ["pending", "succeeded", "dead", "canceled"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

const timestamp = z.iso.datetime();

export const deliverySchema = z.object({
  id: z.uuid().describe("`webhook-id` of every attempt."),
  run_id: z.uuid(),
  url: z.string().describe("Without what follows the question mark."),
  dialect: z.enum(dialects).describe("In whose form it is sent."),
  status: z.enum(deliveryStatuses),
  attempts: z.int().describe("Begun since it was last asked for."),
  next_attempt_at: timestamp.nullable(),
  last_status: z.int().nullable().describe("What the receiver answered; null: nothing yet."),
  last_error: z.string().nullable().describe("Why the last attempt failed."),
  created_at: timestamp,
  finished_at: timestamp.nullable(),
});
export type Delivery = z.infer<typeof deliverySchema>;

export const webhookSecretSchema = z.object({
  secret: z.string().describe("`whsec_` and 32 bytes in base64: what `webhook-signature` is made with."),
});
