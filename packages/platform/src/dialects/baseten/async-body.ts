// The body of Baseten's `async_predict`, checked: every bad field is named.

import {
  describeValue,
  fieldsError,
  nearestName,
  parseBody,
  type ErrorCode,
  type FieldError,
} from "@corral/contract";
import type { EgressRules } from "@corral/weights";
import { defaultPriority, defaultRetry, type RetryPlan } from "../../runs/queue/enqueue.ts";
import { webhookUrlProblem } from "../../webhook/check-webhook-url.ts";

export interface AsyncPredict {
  /** JSON text of `model_input`, its numbers as they were written. */
  readonly modelInput: Buffer;
  readonly webhookEndpoint: string | null;
  readonly priority: number;
  readonly queueSeconds: number;
  readonly retry: RetryPlan;
}

/** Most bytes of the body. Source: Baseten's limits. */
export const asyncBodyBytes = 256 * 1024;
const defaultQueueSeconds = 600;

interface Whole {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly fallback: number;
}

const priorityRange: Whole = { name: "priority", from: 0, to: 2, fallback: defaultPriority };
const timeRange: Whole = {
  name: "max_time_in_queue_seconds",
  from: 10,
  to: 72 * 60 * 60,
  fallback: defaultQueueSeconds,
};
const retryRanges = {
  maxAttempts: { name: "max_attempts", from: 1, to: 10, fallback: defaultRetry.maxAttempts },
  initialDelayMs: { name: "initial_delay_ms", from: 0, to: 10_000, fallback: defaultRetry.initialDelayMs },
  maxDelayMs: { name: "max_delay_ms", from: 0, to: 60_000, fallback: defaultRetry.maxDelayMs },
} as const satisfies Record<keyof RetryPlan, Whole>;
const names = [
  "model_input",
  "webhook_endpoint",
  "inference_retry_config",
  priorityRange.name,
  timeRange.name,
];

/** Fails with `invalid_json` or with all bad fields. */
export function readAsyncBody(bytes: Buffer, egress: EgressRules): AsyncPredict {
  const body = parseBody(bytes);
  const errors: FieldError[] = [];
  const refuse = (pointer: string, code: ErrorCode, message: string) =>
    errors.push({ pointer, code, message });

  const whole = (of: Readonly<Record<string, unknown>>, range: Whole, parent = ""): number => {
    const given = of[range.name] ?? null;
    if (given === null) return range.fallback;
    if (Number.isInteger(given) && Number(given) >= range.from && Number(given) <= range.to)
      return Number(given);
    const shown = parent === "" ? range.name : `${parent}.${range.name}`;
    const rule = `it must be a whole number from ${range.from} to ${range.to}`;
    refuse(
      `${parent === "" ? "" : `/${parent}`}/${range.name}`,
      "invalid_parameter",
      `${shown} is ${describeValue(given)}; ${rule}.`,
    );
    return range.fallback;
  };
  const refuseUnknown = (of: Readonly<Record<string, unknown>>, known: readonly string[], parent = "") => {
    for (const name of Object.keys(of)) {
      if (known.includes(name)) continue;
      const near = nearestName(name, known);
      const hint = near === null ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
      refuse(
        `${parent === "" ? "" : `/${parent}`}/${name}`,
        "unknown_parameter",
        `${describeValue(name)} is not known here; ${hint}`,
      );
    }
  };

  refuseUnknown(body, names);
  if (!Object.hasOwn(body, "model_input"))
    refuse(
      "/model_input",
      "missing_parameter",
      "model_input is missing; it is what the model gets as its body.",
    );
  const priority = whole(body, priorityRange);
  const queueSeconds = whole(body, timeRange);
  const webhookEndpoint = readEndpoint(body["webhook_endpoint"] ?? null, egress, errors);
  const config = body["inference_retry_config"] ?? {};
  const parent = "inference_retry_config";
  const isObject = typeof config === "object" && !Array.isArray(config);
  if (!isObject)
    refuse(`/${parent}`, "invalid_parameter", `${parent} is ${describeValue(config)}; it must be an object.`);
  const given = isObject ? (config as Readonly<Record<string, unknown>>) : {};
  refuseUnknown(
    given,
    Object.values(retryRanges).map(({ name }) => name),
    parent,
  );
  const retry: RetryPlan = {
    maxAttempts: whole(given, retryRanges.maxAttempts, parent),
    initialDelayMs: whole(given, retryRanges.initialDelayMs, parent),
    maxDelayMs: whole(given, retryRanges.maxDelayMs, parent),
  };
  if (errors.length > 0) throw fieldsError(errors);
  return { modelInput: rawInput(bytes), webhookEndpoint, priority, queueSeconds, retry };
}

function readEndpoint(given: unknown, egress: EgressRules, errors: FieldError[]): string | null {
  if (given === null) return null;
  if (typeof given !== "string") {
    const message = `webhook_endpoint is ${describeValue(given)}; it must be a URL, as a text.`;
    errors.push({ pointer: "/webhook_endpoint", code: "invalid_parameter", message });
    return null;
  }
  const problem = webhookUrlProblem(given, egress);
  if (problem !== null) errors.push(problem);
  return problem === null ? new URL(given).href : null;
}

/** Numbers stay as they are written: code in Python tells 1.0 from 1. */
function rawInput(bytes: Buffer): Buffer {
  const keepNumber = (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" && context?.source !== undefined ? rawJson(context.source) : value;
  const body = JSON.parse(bytes.toString("utf8"), keepNumber) as { readonly model_input: unknown };
  return Buffer.from(JSON.stringify(body.model_input));
}

/** Of ECMAScript's proposal for the source text of JSON; Node 24 has it, TypeScript's library does not. */
const { rawJSON: rawJson } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };
