// A replica's `reserve` reports, each answered over its control channel: those of one run in their order, others side by
// side.

import { asServingError, type ControlMessage, type Report } from "@corral/contract";
import type { ReplicaRecords } from "./live-replica.ts";

export interface AnswerReservationsOptions {
  readonly replicaId: string;
  readonly reserve: ReplicaRecords["reserve"];
  readonly send: (message: ControlMessage) => void;
}

/** Takes reports that are committed; of other kinds, nothing is done. */
export function answerReservations({
  replicaId,
  reserve,
  send,
}: AnswerReservationsOptions): (reports: readonly Report[]) => void {
  /** The last question of each run that is being asked. */
  const asked = new Map<string, Promise<void>>();

  async function answer(runId: string, keyId: string, tokens: number): Promise<void> {
    const refusal = await reserve(replicaId, { runId, keyId, tokenCount: tokens }).catch(asServingError);
    const message = { kind: "reservation", run_id: runId, tokens } as const;
    if (refusal === null) return send({ ...message, granted: true });
    const { code, message: detail, retryAfterSeconds } = refusal;
    const retry = retryAfterSeconds === null ? {} : { retry_after_seconds: retryAfterSeconds };
    send({ ...message, granted: false, error: { code, detail, ...retry } });
  }

  return (reports) => {
    for (const { report } of reports) {
      if (report.kind !== "reserve") continue;
      const { run_id: runId, key_id: keyId, tokens } = report;
      const before = asked.get(runId) ?? Promise.resolve();
      const answered = before.then(() => answer(runId, keyId, tokens));
      asked.set(runId, answered);
      void answered.finally(() => {
        if (asked.get(runId) === answered) asked.delete(runId);
      });
    }
  };
}
