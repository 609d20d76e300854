// What a receiver gets: the run in the form of the family that it was called in, and the headers that prove it. Pure.

import {
  errorTable,
  successMessage,
  type CerebriumAnswer,
  type Dialect,
  type RunError,
} from "@corral/contract";
import { asyncErrorCode } from "../dialects/baseten/async-words.ts";
import { toRun } from "../store/runs.ts";
import type { RunRow } from "../store/schema.ts";
import { basetenSignature, cerebriumSignature, standardSignature } from "./signatures.ts";

export interface EndedRun {
  readonly row: RunRow;
  readonly modelId: string;
}

export interface SigningSecrets {
  /** `whsec_…`, the newest first: each signs. */
  readonly project: readonly string[];
  /** What the caller sent as `X-Webhook-Secret`; null: nothing. */
  readonly caller: string | null;
}

/** JSON. Baseten's form holds the time, so the bytes differ from attempt to attempt. */
export function payloadOf({ row, modelId }: EndedRun, dialect: Dialect, now: Date): Buffer {
  return Buffer.from(JSON.stringify(valueOf(row, modelId, dialect, now)));
}

function valueOf(row: RunRow, modelId: string, dialect: Dialect, now: Date): unknown {
  switch (dialect) {
    case "corral":
    case "openai":
      return toRun(row);
    case "baseten": {
      const { output, error } = toRun(row);
      return {
        request_id: row.id,
        model_id: modelId,
        deployment_id: row.deployment_id,
        type: "async_request_completed",
        // Python's clients read microseconds.
        time: now.toISOString().replace(/Z$/, "000Z"),
        data: output ?? null,
        errors: basetenErrors(row.status === "succeeded" ? null : (error ?? endedBy(row))),
      };
    }
    case "cerebrium":
      return cerebriumValue(row);
  }
}

function basetenErrors(error: RunError | null) {
  return error === null ? [] : [{ code: asyncErrorCode(error), message: error.detail }];
}

/** As the documented call answers; a failed run has the error where the message is. */
function cerebriumValue(row: RunRow): CerebriumAnswer & { readonly status_code: number } {
  const common = { run_id: row.id, run_time_ms: row.run_time_ms ?? 0 };
  if (row.status === "succeeded") {
    const result = toRun(row).output as CerebriumAnswer["result"];
    return { ...common, status_code: 200, message: successMessage, result };
  }
  const { code, detail } = row.error ?? endedBy(row);
  return { ...common, status_code: errorTable[code].status, message: detail, result: null, code };
}

function endedBy({ status }: RunRow) {
  if (status === "canceled") return { code: "aborted", detail: "The run was canceled." } as const;
  if (status === "expired")
    return { code: "timeout", detail: "The run waited longer than it was allowed to." } as const;
  return { code: "internal", detail: "The run failed." } as const;
}

/** @param id of the delivery */
export function headersOf(
  run: EndedRun,
  dialect: Dialect,
  id: string,
  body: Buffer,
  secrets: SigningSecrets,
  now: Date,
): Record<string, string> {
  const timestamp = Math.floor(now.getTime() / 1000);
  return {
    "content-type": "application/json",
    "user-agent": "Corral",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": secrets.project
      .map((secret) => standardSignature(secret, id, timestamp, body))
      .join(" "),
    ...familyHeaders(run.row.id, dialect, body, secrets, timestamp),
  };
}

function familyHeaders(
  runId: string,
  dialect: Dialect,
  body: Buffer,
  { project, caller }: SigningSecrets,
  timestamp: number,
): Record<string, string> {
  switch (dialect) {
    case "corral":
    case "openai":
      return {};
    case "baseten":
      return {
        "x-baseten-request-id": runId,
        "x-baseten-signature": project.map((secret) => basetenSignature(secret, body)).join(","),
      };
    case "cerebrium":
      return {
        "x-request-id": runId,
        ...(caller === null
          ? {}
          : {
              "x-cerebrium-webhook-timestamp": String(timestamp),
              "x-cerebrium-webhook-signature": cerebriumSignature(caller, runId, timestamp, body),
            }),
      };
  }
}
