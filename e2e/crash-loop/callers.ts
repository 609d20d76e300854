// Callers who ask without a pause while processes are killed, and who note what was acknowledged to them: the last byte
// of an answer, or the acceptance of a call that is answered later.

import { setTimeout as sleep } from "node:timers/promises";
import type { Corral } from "../harness.ts";

export interface Usage {
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly generated_tokens: number;
}

export interface Acknowledged {
  readonly kind: string;
  readonly runId: string;
  /** As the answer told it; null where it tells none. */
  readonly usage: Usage | null;
  /** Accepted only; what it computes is read later. */
  readonly isLater: boolean;
  /** Its result goes to the receiver. */
  readonly isDelivered: boolean;
}

export interface Refused {
  readonly kind: string;
  /** 0: the connection was lost. */
  readonly status: number;
  readonly text: string;
}

export interface Callers {
  readonly acknowledged: readonly Acknowledged[];
  readonly refused: readonly Refused[];
  /** Ends the calls that are on their way. */
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Call {
  readonly kind: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** What the answer acknowledges; null: nothing. */
  readonly read: (answer: Answer) => Omit<Acknowledged, "kind"> | null;
}

const question = { messages: [{ role: "user", content: "What is beam search?" }], max_new_tokens: 24 };

/** Of every way to call: whole, streamed and later, weights and code. `code` is a deployment of code. */
function callsOf(code: string, receiverUrl: string): readonly Call[] {
  const whole = { isLater: false, isDelivered: false };
  const later = (
    id: (body: Record<string, string>) => string | undefined,
    accepted: number,
    isDelivered = true,
  ) => {
    return ({ status, text }: Answer) => {
      if (status !== accepted) return null;
      return {
        runId: uuidOf(id(JSON.parse(text) as Record<string, string>)),
        usage: null,
        isLater: true,
        isDelivered,
      };
    };
  };
  const webhook = { webhook_endpoint: receiverUrl };
  return [
    {
      kind: "whole",
      path: "/models/corral-tiny-3/predict",
      body: { ...question, num_beams: 1 },
      read({ status, text }) {
        if (status !== 200) return null;
        const { model_output: told } = JSON.parse(text) as {
          model_output: { run_id: string; usage?: Usage };
        };
        const { run_id: runId, usage = null } = told;
        return { runId, usage, ...whole };
      },
    },
    {
      kind: "stream",
      path: "/api/v1/deployments/corral-tiny-3/generate",
      body: { ...question, max_new_tokens: 60, num_beams: 1, stream: true },
      read({ status, text }) {
        const done = /event: done\n(?:id: .*\n)?data: (.*)\n\n$/.exec(text)?.[1];
        if (status !== 200 || done === undefined) return null;
        const { run_id: runId, usage } = JSON.parse(done) as { run_id: string; usage: Usage };
        return { runId, usage, ...whole };
      },
    },
    {
      kind: "code",
      path: `/api/v1/deployments/${code}/generate`,
      body: { text: "to be or not to be" },
      read({ status, text }) {
        if (status !== 200) return null;
        return { runId: (JSON.parse(text) as { run_id: string }).run_id, usage: null, ...whole };
      },
    },
    {
      kind: "later, ours",
      path: "/api/v1/deployments/corral-tiny-3/generate",
      headers: { prefer: "respond-async" },
      body: { ...question, num_beams: 1 },
      read: later(({ run_id: id }) => id, 202, false),
    },
    {
      kind: "later, Baseten's",
      path: "/model/corral-tiny-3/production/async_predict",
      body: {
        model_input: { ...question, num_beams: 1 },
        ...webhook,
        inference_retry_config: { max_attempts: 5, initial_delay_ms: 100, max_delay_ms: 500 },
      },
      read: later(({ request_id: id }) => id, 201),
    },
    {
      kind: "later, Cerebrium's",
      path: "/corral-tiny-2-webhook/predict",
      body: { prompt: "A model is", max_length: 30, ...webhook },
      read: later(({ run_id: id }) => id, 200),
    },
    {
      kind: "later, of code",
      path: `/model/${code}/production/async_predict`,
      body: { model_input: { text: "to be" }, ...webhook },
      read: later(({ request_id: id }) => id, 201),
    },
  ];
}

/** With or without its dashes. */
function uuidOf(id = ""): string {
  return id.replace(/^(.{8})-?(.{4})-?(.{4})-?(.{4})-?(.{12})$/, "$1-$2-$3-$4-$5");
}

/** `now` is whoever answers at the time: after a restart another one. One caller of each kind; after each call a pause, after one in vain a longer one. */
export function startCallers(
  now: () => Corral,
  { code, receiverUrl, pauseMs }: { code: string; receiverUrl: string; pauseMs: number },
): Callers {
  const acknowledged: Acknowledged[] = [];
  const refused: Refused[] = [];
  let going = true;
  const loop = async ({ kind, path, headers = {}, body, read }: Call) => {
    while (going) {
      const answer = await ask(now(), path, headers, body);
      const told = read(answer);
      if (told === null) refused.push({ kind, ...answer });
      else acknowledged.push({ kind, ...told });
      await sleep(told === null ? 3 * pauseMs : pauseMs);
    }
  };
  const loops = callsOf(code, receiverUrl).map(loop);
  return {
    acknowledged,
    refused,
    async stop() {
      going = false;
      await Promise.all(loops);
    },
  };
}

async function ask(
  corral: Corral,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: unknown,
): Promise<Answer> {
  try {
    const response = await corral.post(path, body, { headers, signal: AbortSignal.timeout(30_000) });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    return { status: 0, text: String(error) };
  }
}
