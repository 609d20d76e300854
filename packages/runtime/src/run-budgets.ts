// What runs may take of their keys' budgets: asked of the platform before anything is computed, and given back where a run
// never begins. What a run that began has left, the platform gives back at its end. Knows no engine.

import { ServingError, type ControlMessage, type ReportBody } from "@corral/contract";
import type { ForwardedCall } from "./call-headers.ts";

export interface RunBudget {
  /**
   * Resolves once so many tokens more are reserved. Fails with `budget_exceeded`, and with `database_unavailable` where no
   * answer comes.
   */
  reserve(tokenCount: number): Promise<void>;
  /** Of a run that does not begin: gives back all. */
  release(): void;
}

type Answer = Extract<ControlMessage, { kind: "reservation" }>;

interface Asked {
  readonly report: Extract<ReportBody, { kind: "reserve" }>;
  readonly settle: (answer: Answer | ServingError) => void;
}

export interface RunBudgetsOptions {
  readonly report: (body: ReportBody) => void;
  /** For the platform's answer. Default 10,000. */
  readonly answerMs?: number;
}

export class RunBudgets {
  readonly #report: (body: ReportBody) => void;
  readonly #answerMs: number;
  /** By run: each has one open question at most. */
  readonly #asked = new Map<string, Asked>();

  constructor({ report, answerMs = 10_000 }: RunBudgetsOptions) {
    this.#report = report;
    this.#answerMs = answerMs;
  }

  open({ runId, keyId, hasBudget }: Pick<ForwardedCall, "runId" | "keyId" | "hasBudget">): RunBudget {
    if (!hasBudget || keyId === null) return unlimited;
    let reserved = 0;
    let last: Promise<void> = Promise.resolve();
    const ask = async (tokenCount: number): Promise<void> => {
      const answer = await this.#ask({
        kind: "reserve",
        run_id: runId,
        key_id: keyId,
        tokens: reserved + tokenCount,
      });
      if (answer instanceof ServingError) {
        // It may have been granted all the same; the next one says how much it really is.
        this.#report({ kind: "reserve", run_id: runId, key_id: keyId, tokens: reserved });
        throw answer;
      }
      if (!answer.granted) throw refusalOf(answer);
      reserved += tokenCount;
    };
    return {
      reserve(tokenCount) {
        // One after the other: a question says what the run has in all.
        const asked = last.then(() => ask(tokenCount));
        last = asked.catch(() => undefined);
        return asked;
      },
      release: () => {
        if (reserved === 0) return;
        reserved = 0;
        this.#report({ kind: "reserve", run_id: runId, key_id: keyId, tokens: 0 });
      },
    };
  }

  /** An answer of the platform; one that nobody waits for is dropped. */
  answered(answer: Answer): void {
    const asked = this.#asked.get(answer.run_id);
    if (asked?.report.tokens === answer.tokens) asked.settle(answer);
  }

  /** The channel was opened anew: answers may have been lost with the old one, and asking twice is asking once. */
  askAgain(): void {
    for (const { report } of this.#asked.values()) this.#report(report);
  }

  #ask(report: Asked["report"]): Promise<Answer | ServingError> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(unanswered()), this.#answerMs);
      const settle = (answer: Answer | ServingError) => {
        clearTimeout(timer);
        this.#asked.delete(report.run_id);
        resolve(answer);
      };
      this.#asked.set(report.run_id, { report, settle });
      this.#report(report);
    });
  }
}

/** Nothing stays reserved for a run that cannot begin. */
export function orReleased<Begun>(budget: RunBudget, begin: () => Begun): Begun {
  try {
    return begin();
  } catch (error) {
    budget.release();
    throw error;
  }
}

const unlimited: RunBudget = { reserve: () => Promise.resolve(), release: () => {} };

function refusalOf({ error }: Answer): ServingError {
  if (error === undefined) return new ServingError("budget_exceeded", "The API key's budget is spent.");
  const { code, detail, retry_after_seconds: retryAfterSeconds } = error;
  return new ServingError(code, detail, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
}

function unanswered(): ServingError {
  return new ServingError(
    "database_unavailable",
    "The platform does not say whether the API key's budget allows the call; try again shortly.",
    { retryAfterSeconds: 1 },
  );
}
