// Sends deliveries: takes what is due, at most so much at once and to one receiver, and writes down what came of it.
// One runs in every platform process; what they must agree on is in the rows.

import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { verdictOf, type AttemptOutcome, type Verdict } from "../domain/delivery.ts";
import {
  begun,
  ended,
  endpointLimits,
  freeCount,
  isForgettable,
  newEndpoint,
  type Endpoint,
} from "../domain/endpoint.ts";
import type { Egress } from "../egress/post.ts";
import { placeOf } from "../secrets/live-sealing.ts";
import {
  claimDeliveries,
  expireDeliveries,
  readDeliveredRun,
  releaseDeliveriesOf,
  releaseDelivery,
  settleDelivery,
} from "../store/deliveries.ts";
import type { DeliveryRow, RunRow } from "../store/schema.ts";
import { headersOf, payloadOf } from "./payload.ts";
import { signingSecrets, type WebhookSecrets } from "./secret.ts";
import { callerSecret } from "./target.ts";

export interface DeliverySender {
  start(): void;
  /** Looks for due deliveries now. */
  wake(): void;
  /** Takes no more, waits a little for those under way and gives back the rest. */
  close(): Promise<void>;
}

export interface DeliverySenderOptions extends WebhookSecrets {
  readonly platformId: string;
  readonly egress: Egress;
  readonly log: Logger;
  readonly chance: () => number;
  /** How often it looks. Default 500. */
  readonly pollMs?: number;
  /** How long `close` waits. Default 2,000. */
  readonly graceMs?: number;
}

interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Of all receivers. Each may hold an output in memory. */
const mostInFlight = 32;
/** Well above what one attempt may take. */
const leaseMs = 60_000;
const sweepEveryMs = 30_000;
const pauseAfterErrorMs = 1_000;

export function createDeliverySender(options: DeliverySenderOptions): DeliverySender {
  const { db, platformId, egress, log, now, chance, pollMs = 500, graceMs = 2_000 } = options;
  const endpoints = new Map<string, Endpoint>();
  /** By the deliveries' ids. */
  const inFlight = new Map<string, Promise<void>>();
  /** Rows may be leased to this process that it does not send: of one before it, or whose claim's answer was lost. */
  let mayHoldMore = true;
  const closing = new AbortController();
  let endPause = () => {};
  /** Something happened since the last look. */
  let isWoken = false;
  let working: Promise<void> | null = null;
  let isClosed = false;
  let sweptMs = 0;

  const endpointOf = (origin: string) => endpoints.get(origin) ?? newEndpoint;

  async function work(): Promise<void> {
    while (!isClosed) {
      let takenCount = 0;
      try {
        takenCount = await take();
        await sweep();
      } catch (error) {
        log.warn({ err: String(error) }, "webhooks: deliveries cannot be read");
        await pause(pauseAfterErrorMs);
      }
      if (takenCount === 0 && !isWoken && !isClosed) await pause(pollMs);
      isWoken = false;
    }
  }

  async function pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  function wake(): void {
    isWoken = true;
    endPause();
  }

  function fail(error: unknown): never {
    mayHoldMore = true;
    throw error;
  }

  /** Answers how many it took: more may be due then. */
  async function take(): Promise<number> {
    if (mayHoldMore && !isClosed) {
      // First: what is left while the statement is under way is not among what it gives back.
      mayHoldMore = false;
      await releaseDeliveriesOf(db, platformId, [...inFlight.keys()]).catch(fail);
    }
    const limit = mostInFlight - inFlight.size;
    if (limit === 0 || isClosed) return 0;
    const nowMs = now().getTime();
    for (const [origin, endpoint] of endpoints) if (isForgettable(endpoint, nowMs)) endpoints.delete(origin);
    const rows = await claimDeliveries(db, {
      platformId,
      limit,
      leaseMs,
      freeByOrigin: new Map([...endpoints].map(([origin, endpoint]) => [origin, freeCount(endpoint, nowMs)])),
      freeOfOthers: endpointLimits.inFlightCount,
    }).catch(fail);
    for (const row of rows) {
      endpoints.set(row.origin, begun(endpointOf(row.origin)));
      let isLeft = false;
      const sent = deliver(row).catch((error: unknown) => {
        isLeft = true;
        log.error({ err: error, delivery: row.id }, "webhooks: an attempt could not be written down");
      });
      inFlight.set(row.id, sent);
      void sent.finally(() => {
        inFlight.delete(row.id);
        if (isLeft) mayHoldMore = true;
        wake();
      });
    }
    return rows.length;
  }

  async function deliver(row: DeliveryRow): Promise<void> {
    let why: string | null = null;
    const message = await messageOf(row).catch((error: unknown) => {
      why = String(error);
      return null;
    });
    const outcome = message === null ? null : await attempt(row, message);
    endpoints.set(row.origin, after(row.origin, outcome));
    if (outcome === "released") return releaseDelivery(db, row);
    const verdict = verdictOf(outcome ?? withoutMessage(why), row.attempts, chance());
    if (await settleDelivery(db, row, verdict)) tell(row, verdict);
  }

  async function attempt({ url }: DeliveryRow, message: Message): Promise<AttemptOutcome | "released"> {
    if (closing.signal.aborted) return "released";
    const outcome = await egress.post(url, message.headers, message.body, closing.signal);
    return outcome.kind === "failed" && closing.signal.aborted ? "released" : outcome;
  }

  /** Null: the run is gone. */
  async function messageOf(row: DeliveryRow): Promise<Message | null> {
    const run = await readDeliveredRun(db, row.run_id);
    if (run === null) return null;
    const secrets = {
      project: await signingSecrets(options, row.project_id),
      caller: openCallerSecret(run.row),
    };
    const at = now();
    const body = payloadOf(run, row.dialect, at);
    return { body, headers: headersOf(run, row.dialect, row.id, body, secrets, at) };
  }

  function openCallerSecret({ id, webhook_secret: sealed }: RunRow): string | null {
    return sealed === null ? null : options.sealing.open(sealed, placeOf(callerSecret, id));
  }

  function after(origin: string, outcome: AttemptOutcome | "released" | null): Endpoint {
    const nowMs = now().getTime();
    const endpoint = endpointOf(origin);
    if (outcome === null || outcome === "released" || outcome.kind === "refused")
      return { ...endpoint, inFlightCount: endpoint.inFlightCount - 1 };
    const next = ended(endpoint, isFailure(outcome), pauseOf(outcome), nowMs);
    if (endpoint.openUntilMs === null && next.openUntilMs !== null)
      log.warn({ origin, failures: next.failureCount }, "webhooks: a receiver fails; it is asked less often");
    return next;
  }

  async function sweep(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - sweptMs < sweepEveryMs && sweptMs > 0) return;
    sweptMs = nowMs;
    const count = await expireDeliveries(db);
    if (count > 0) log.warn({ count }, "webhooks: deliveries were given up after a day");
  }

  /** The path may hold a secret of the receiver. */
  function tell({ id, origin, run_id: run, attempts }: DeliveryRow, verdict: Verdict): void {
    const about = { delivery: id, run, origin, attempts, status: verdict.status };
    if (verdict.kind === "succeeded") log.debug(about, "webhooks: delivered");
    else if (verdict.kind === "dead") log.warn({ ...about, why: verdict.error }, "webhooks: given up");
    else log.info({ ...about, why: verdict.error, again_in_ms: verdict.delayMs }, "webhooks: tried in vain");
  }

  return {
    start() {
      working ??= work();
    },
    wake,
    async close() {
      if (isClosed) return;
      isClosed = true;
      wake();
      await Promise.race([Promise.all(inFlight.values()), sleep(graceMs, null, { ref: false })]);
      closing.abort(new Error("The server is shutting down"));
      await working;
      await Promise.all(inFlight.values());
    },
  };
}

/** Nothing was sent, which says nothing of the receiver. @param why null: there is no run */
function withoutMessage(why: string | null): AttemptOutcome {
  if (why === null) return { kind: "refused", problem: "is of a run that is gone" };
  return { kind: "failed", reason: `It could not be made ready: ${why}` };
}

/** Whether the receiver did not answer, or could not take it. */
function isFailure(outcome: AttemptOutcome): boolean {
  return outcome.kind === "failed" || (outcome.kind === "answered" && isRetried(outcome.status));
}

function isRetried(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function pauseOf(outcome: AttemptOutcome): number | null {
  return outcome.kind === "answered" ? outcome.retryAfterMs : null;
}
