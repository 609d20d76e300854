// Gives the replicas of a deployment other code while they run. Knows no rows and no files.

import {
  ServingError,
  errorTable,
  replicaCodeAnswerSchema,
  type ErrorCode,
  type ReplicaCode,
  type ReplicaCodeAnswer,
} from "@corral/contract";
import type { LiveReplica } from "./live-replica.ts";

export type ToldCode = Extract<ReplicaCodeAnswer, { kind: "loaded" }>;
export type RefusedCode = Extract<ReplicaCodeAnswer, { kind: "refused" }>;

export type CodeOutcome =
  /** All have it. One that kept its state beside one that did not counts as replaced. */
  | { readonly kind: "loaded"; readonly told: ToldCode }
  /** None has it: those that had taken it were given the code before. */
  | { readonly kind: "refused"; readonly refused: RefusedCode };

/** The code before and after, as each replica is told it. */
export interface CodeVersions {
  readonly before: (replicaId: string) => ReplicaCode;
  readonly after: (replicaId: string) => ReplicaCode;
  readonly keepsState: boolean;
}

/** Beside what the code's `load` may take: its packages, the files that it names, another change before it. */
const slackMs = 15 * 60_000;
/** Why code does not come to be loaded although the replica is well. */
const ownFailures: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "environment_failed",
  "python_missing",
  "external_data_failed",
  "invalid_bundle",
]);

/** One after the other; the first that refuses ends it. Fails with `deployment_not_ready` where one does not answer. */
export async function tellCode(
  replicas: readonly LiveReplica[],
  { before, after, keepsState }: CodeVersions,
): Promise<CodeOutcome> {
  const taken: { readonly replica: LiveReplica; readonly answer: ToldCode }[] = [];
  const takeBack = () =>
    Promise.allSettled(taken.map(({ replica }) => tellOne(replica, before(replica.id), keepsState)));
  for (const replica of replicas) {
    let answer: ReplicaCodeAnswer;
    try {
      answer = await tellOne(replica, after(replica.id), keepsState);
    } catch (error) {
      await takeBack();
      throw error;
    }
    if (answer.kind === "refused") {
      await takeBack();
      return { kind: "refused", refused: answer };
    }
    taken.push({ replica, answer });
  }
  const [first, ...others] = taken.map(({ answer }) => answer);
  if (first === undefined) throw new TypeError("Nobody is to be told.");
  const told = others.reduce(
    (one, other) => ({
      ...one,
      reload: one.reload === other.reload ? one.reload : ("replaced" as const),
      load_ms: Math.max(one.load_ms, other.load_ms),
    }),
    first,
  );
  return { kind: "loaded", told };
}

async function tellOne(
  { id, upstream, token }: LiveReplica,
  code: ReplicaCode,
  keepsState: boolean,
): Promise<ReplicaCodeAnswer> {
  const timeoutMs = code.limits.load_ms + slackMs;
  let statusCode: number;
  let text: string;
  try {
    const response = await upstream.dispatcher.request({
      method: "POST",
      path: "/code",
      headers: {
        "content-type": "application/json",
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ code, keep_state: keepsState }),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    statusCode = response.statusCode;
    text = await response.body.text();
  } catch (cause) {
    throw silent(id, { cause });
  }
  if (statusCode === 200) return replicaCodeAnswerSchema.parse(JSON.parse(text));
  const { code: errorCode, detail } = problemOf(text);
  if (errorCode !== null && ownFailures.has(errorCode))
    return { kind: "refused", stage: "environment", message: detail };
  throw silent(id, { cause: new Error(`It answered ${statusCode}: ${detail}`) });
}

function silent(id: string, options: { readonly cause: unknown }): ServingError {
  return new ServingError(
    "deployment_not_ready",
    `The replica ${id} did not say whether it takes the code, and may have ended; send the patch again shortly.`,
    { ...options, retryAfterSeconds: 1 },
  );
}

function problemOf(text: string): { readonly code: ErrorCode | null; readonly detail: string } {
  try {
    const { code, detail } = JSON.parse(text) as { code?: unknown; detail?: unknown };
    const known = typeof code === "string" && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : null;
    return { code: known, detail: typeof detail === "string" ? detail : text.slice(0, 500) };
  } catch {
    return { code: null, detail: text.slice(0, 500) };
  }
}
