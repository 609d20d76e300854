// Baseten's words for a run that nobody waits for: statuses, what became of its webhook, and codes of errors.

import { errorTable, type DeliveryStatus, type RunError, type RunStatus } from "@corral/contract";

export const asyncStatuses = [
  "QUEUED",
  "IN_PROGRESS",
  "SUCCEEDED",
  "FAILED",
  "EXPIRED",
  "CANCELED",
  "WEBHOOK_FAILED",
] as const;
export type AsyncStatus = (typeof asyncStatuses)[number];

export const webhookStatuses = ["PENDING", "SUCCEEDED", "FAILED", "CANCELED", "NO_WEBHOOK_PROVIDED"] as const;
export type WebhookStatus = (typeof webhookStatuses)[number];

const byStatus: Readonly<Record<RunStatus, AsyncStatus>> = {
  queued: "QUEUED",
  running: "IN_PROGRESS",
  succeeded: "SUCCEEDED",
  failed: "FAILED",
  canceled: "CANCELED",
  expired: "EXPIRED",
};

const byDelivery: Readonly<Record<DeliveryStatus, WebhookStatus>> = {
  pending: "PENDING",
  succeeded: "SUCCEEDED",
  dead: "FAILED",
  canceled: "CANCELED",
};

/** @param delivery null: there is none yet */
export function webhookStatusOf(hasWebhook: boolean, delivery: DeliveryStatus | null): WebhookStatus {
  if (!hasWebhook) return "NO_WEBHOOK_PROVIDED";
  return delivery === null ? "PENDING" : byDelivery[delivery];
}

export function asyncStatusOf(status: RunStatus, webhook: WebhookStatus): AsyncStatus {
  const hasResult = status === "succeeded" || status === "failed";
  return hasResult && webhook === "FAILED" ? "WEBHOOK_FAILED" : byStatus[status];
}

/** Source: Baseten's page on async inference. */
export function asyncErrorCode({ code }: Pick<RunError, "code">): string {
  const { status, fault } = errorTable[code];
  if (code === "model_loading" || code === "deployment_not_ready" || code === "deployment_failed")
    return "MODEL_NOT_READY";
  if (status === 404) return "MODEL_DOES_NOT_EXIST";
  if (status < 500) return "MODEL_INVALID_INPUT";
  if (status === 504) return "MODEL_PREDICT_TIMEOUT";
  if (status === 502 || status === 503) return "MODEL_UNAVAILABLE";
  return fault === "model" ? "MODEL_PREDICT_ERROR" : "INTERNAL_SERVER_ERROR";
}
