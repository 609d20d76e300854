// One streamed call from its first byte to its last: when each event came, what was counted, and whether it was the
// work that was asked for. Knows of servers only what their wire says.

import { request, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { createEventReader } from "./event-reader.ts";
import type { Wire, WireCall, WireEnd } from "./wires/wire.ts";

export interface CallOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent;
  readonly wire: Wire;
  readonly call: WireCall;
  /** Null: the project's. */
  readonly key: string | null;
  readonly onTokens: (count: number) => void;
}

export interface OpenCall {
  /** What is under way now. */
  readonly sent: ClientRequest;
  /** Never rejects. */
  readonly answer: Promise<Answer>;
}

export interface Answer extends WireEnd {
  /** When each event with tokens came, from the moment the call was sent. */
  readonly eventMs: readonly number[];
  /** Null where the answer broke off. */
  readonly endMs: number | null;
  readonly replyIds: readonly number[];
  readonly failure: string | null;
  /** What `Retry-After` said to a call that was refused with 429; null: it was not. */
  readonly retryAfterMs: number | null;
}

export function makeCall({ url, headers, agent, wire, call, key, onTokens }: CallOptions): OpenCall {
  const body = JSON.stringify(wire.body(call));
  const startedAt = performance.now();
  const elapsed = () => Math.round((performance.now() - startedAt) * 100) / 100;
  const send = () => {
    const sending = request(url, {
      method: "POST",
      agent,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        ...headers,
        ...wire.headers(key),
      },
    });
    sending.end(body);
    return sending;
  };
  let sent = send();
  const response = async () => {
    try {
      return await responseTo(sent);
    } catch (error) {
      if (!wasClosedMeanwhile(sent, error)) throw error;
      sent = send();
      return await responseTo(sent);
    }
  };

  const eventMs: number[] = [];
  const replyIds: number[] = [];
  let end: WireEnd = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
  let refusal: string | null = null;
  const read = createEventReader((name, data) => {
    const event = wire.read(name, data);
    refusal ??= event.error;
    if (event.ids.length > 0) {
      eventMs.push(elapsed());
      replyIds.push(...event.ids);
      onTokens(event.ids.length);
    }
    // Samples of one call may end one by one.
    if (event.end !== null)
      end = { ...event.end, generatedTokens: end.generatedTokens + event.end.generatedTokens };
  });
  const answerOf = async (): Promise<Answer> => {
    let endMs: number | null = null;
    let failure: string | null;
    let retryAfterMs: number | null = null;
    try {
      const answer = await response();
      if (answer.statusCode !== 200) {
        if (answer.statusCode === 429) retryAfterMs = 1_000 * Number(answer.headers["retry-after"] ?? 0);
        failure = `${answer.statusCode}: ${(await text(answer)).slice(0, 300)}`;
      } else {
        answer.setEncoding("utf8");
        for await (const chunk of answer) read(chunk as string);
        endMs = elapsed();
        failure = refusal ?? differenceFrom(call, end);
      }
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    const { length } = replyIds;
    return {
      eventMs,
      endMs,
      replyIds,
      failure,
      retryAfterMs,
      ...(endMs === null ? { ...end, generatedTokens: length } : end),
    };
  };
  return {
    get sent() {
      return sent;
    },
    answer: answerOf(),
  };
}

/** A server that closes idle connections may do so just as a caller who thought for a while comes back. */
function wasClosedMeanwhile({ reusedSocket }: ClientRequest, error: unknown): boolean {
  return reusedSocket && error instanceof Error && "code" in error && error.code === "ECONNRESET";
}

function responseTo(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once("response", resolve);
    sent.once("error", reject);
  });
}

/** Servers are compared only over equal work. */
function differenceFrom(call: WireCall, end: WireEnd): string | null {
  const wanted = call.newTokenCount * call.sampleCount;
  if (end.generatedTokens !== wanted) return `${end.generatedTokens} tokens instead of ${wanted}`;
  if (end.promptTokens === call.ids.length) return null;
  return `a prompt of ${call.ids.length} tokens was counted as ${end.promptTokens}`;
}
