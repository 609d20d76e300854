// The replica's calls to one code worker, from `call` to their one end. Knows no process and no HTTP.

import type { AnswerMessage, CallMessage, ErrorMessage, ReplicaMessage, WorkerMessage } from "./protocol.ts";

/** Why a call got no answer: what the worker said, or what became of the worker. */
export type CallFailure =
  | Omit<ErrorMessage, "kind" | "id">
  /** The worker ended, or had to be ended, while it carried out the call. */
  | { readonly reason: "lost"; readonly message: string }
  | { readonly reason: "timeout"; readonly message: string };

/** Where a call's answer goes. Exactly one of `answer`, `end` and `fail` comes last. */
export interface AnswerSink {
  /** The whole answer. */
  answer(head: AnswerMessage, body: Buffer): void;
  /** The answer comes in chunks. */
  begin(head: AnswerMessage): void;
  /** @param isText of a websocket */
  chunk(body: Buffer, isText: boolean): void;
  end(closeCode: number | undefined, closeReason?: string): void;
  /** The worker has taken what it was sent, after an `input` that gave false. */
  drained?(): void;
  fail(failure: CallFailure): void;
}

export interface CodeCall {
  readonly method: CallMessage["method"];
  readonly runId: string;
  readonly request: CallMessage["request"];
  readonly body: Uint8Array;
  /** From the moment at which the call is made, waiting included; null: no limit. */
  readonly timeoutMs: number | null;
  readonly sink: AnswerSink;
}

/** What its caller holds of a call while it runs. */
export interface RunningCall {
  cancel(): void;
  pause(): void;
  resume(): void;
  /** A message of a websocket. False: the worker takes them too slowly; `drained` follows. */
  input(body: Uint8Array, isText: boolean): boolean;
  inputEnd(closeCode: number): void;
}

export interface WorkerCallsOptions {
  readonly send: (message: ReplicaMessage, body?: Uint8Array) => void;
  /** Of what was sent, not taken yet. */
  readonly unsentBytes: () => number;
  /** Most bytes of one answer. */
  readonly answerBytes: number;
  /** What a worker may take to end a call whose time is over, before the call counts as stuck. */
  readonly cancelGraceMs: number;
  /** A call's time is over: it may be that the worker does nothing any more. */
  readonly onTimeout: () => void;
  /** It does not let go of a call; the place of a `predict` stays taken. */
  readonly onStuck: (reason: string) => void;
  /** A call has ended. */
  readonly onEnded: () => void;
}

/** What a worker says of a call that it was given. */
export type CallProgress = Extract<
  WorkerMessage,
  { kind: "answer" | "chunk" | "end" | "error" | "waiting" | "begun" }
>;

/** A worker said of a call what cannot be said now; nothing that it says can be believed any more. */
export class BrokenOrder extends Error {
  override readonly name = "BrokenOrder";
}

/**
 * How far the worker is: `waiting` while none of the author's code has run, `streaming` from an answer to its end. A
 * call that has ended has no entry.
 */
type Phase = "given" | "waiting" | "begun" | "streaming";

/** In which phases a message may come. */
const order: Readonly<Record<CallProgress["kind"], readonly Phase[]>> = {
  waiting: ["given"],
  begun: ["waiting"],
  answer: ["given", "waiting", "begun"],
  chunk: ["streaming"],
  end: ["streaming"],
  error: ["given", "waiting", "begun", "streaming"],
};

/** Of messages to websockets that the worker has not read. */
const mostUnsentInputBytes = 1024 ** 2;

interface Entry {
  readonly call: CodeCall;
  phase: Phase;
  answeredBytes: number;
  /** The sink has had its end; the worker has not ended the call. */
  isAbandoned: boolean;
  /** Abandoned, and not ended within the grace. */
  isStuck: boolean;
  /** Its caller was told to wait. */
  isFull: boolean;
  timer: NodeJS.Timeout | undefined;
}

export class WorkerCalls {
  readonly #options: WorkerCallsOptions;
  readonly #entries = new Map<number, Entry>();
  #lastId = 0;

  constructor(options: WorkerCallsOptions) {
    this.#options = options;
  }

  /** Those that the worker has not ended. */
  get count(): number {
    return this.#entries.size;
  }

  /** Those that go on although their time, and the grace, are over. */
  get stuckCount(): number {
    return [...this.#entries.values()].filter(({ isStuck }) => isStuck).length;
  }

  /** Of those, the ones that hold one of the places of `predict`. */
  get stuckPlaceCount(): number {
    return [...this.#entries.values()].filter(({ isStuck, call }) => isStuck && call.method === "predict")
      .length;
  }

  /** The call that has a number, for what the worker does during it. */
  find(id: number): CodeCall | null {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.isAbandoned ? null : entry.call;
  }

  /** @param timeoutMs what is left of the call's time */
  begin(call: CodeCall, timeoutMs = call.timeoutMs): RunningCall {
    const { send } = this.#options;
    const id = (this.#lastId += 1);
    const entry: Entry = {
      call,
      phase: "given",
      answeredBytes: 0,
      isAbandoned: false,
      isStuck: false,
      isFull: false,
      timer: undefined,
    };
    this.#entries.set(id, entry);
    if (timeoutMs !== null)
      entry.timer = setTimeout(() => this.#timeOut(id, entry, call.timeoutMs ?? timeoutMs), timeoutMs);
    const { method, runId, request } = call;
    send({ kind: "call", id, method, run_id: runId, request, timeout_ms: timeoutMs }, call.body);
    const tell = (kind: "pause" | "resume") => () => {
      if (this.#entries.has(id)) send({ kind, id });
    };
    return {
      cancel: () => this.#cancel(id, entry),
      pause: tell("pause"),
      resume: tell("resume"),
      input: (body, text) => {
        if (entry.isAbandoned || !this.#entries.has(id)) return true;
        send({ kind: "input", id, text }, body);
        entry.isFull = this.#options.unsentBytes() > mostUnsentInputBytes;
        return !entry.isFull;
      },
      inputEnd: (closeCode) => {
        if (this.#entries.has(id)) send({ kind: "input_end", id, close_code: closeCode });
      },
    };
  }

  /** The worker has taken all that was sent. */
  drained(): void {
    for (const entry of this.#entries.values()) {
      if (!entry.isFull) continue;
      entry.isFull = false;
      entry.call.sink.drained?.();
    }
  }

  /** Fails with `BrokenOrder`. */
  take(message: CallProgress, body: Buffer): void {
    const entry = this.#entries.get(message.id);
    // One that has ended here has crossed with it on the way.
    if (entry === undefined) return;
    if (!order[message.kind].includes(entry.phase))
      throw new BrokenOrder(`Its \`${message.kind}\` of a call is out of order (${entry.phase}).`);
    this.#follow(message, body, entry);
  }

  /** Those of which none of the author's code has run, for another worker; this one is told to forget them. */
  giveBack(): CodeCall[] {
    const unbegun = [...this.#entries].filter(
      ([, { phase, isAbandoned }]) => phase === "waiting" && !isAbandoned,
    );
    for (const [id, entry] of unbegun) this.#cancel(id, entry);
    return unbegun.map(([, { call }]) => call);
  }

  /** The worker is gone. Calls for which none of the author's code has run are given back, the others have failed. */
  lose(reason: string): CodeCall[] {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    const unbegun: CodeCall[] = [];
    for (const { call, phase, isAbandoned, timer } of entries) {
      clearTimeout(timer);
      if (isAbandoned) continue;
      if (phase === "waiting") unbegun.push(call);
      else call.sink.fail({ reason: "lost", message: reason });
    }
    return unbegun;
  }

  #follow(message: CallProgress, body: Buffer, entry: Entry): void {
    const { sink } = entry.call;
    const wanted = !entry.isAbandoned;
    switch (message.kind) {
      case "waiting":
      case "begun":
        entry.phase = message.kind;
        return;
      case "answer":
        if (message.stream) {
          entry.phase = "streaming";
          if (wanted) this.#tell(message.id, entry, () => sink.begin(message));
          return;
        }
        this.#remove(message.id, entry);
        if (wanted) this.#tell(message.id, entry, () => sink.answer(message, body));
        return;
      case "chunk":
        // A websocket may say as much as it likes, in messages of a bounded size.
        if (entry.call.method !== "websocket") entry.answeredBytes += body.length;
        if (!wanted) return;
        if (entry.answeredBytes > this.#options.answerBytes) this.#cutOff(message.id, entry);
        else this.#tell(message.id, entry, () => sink.chunk(body, message.text === true));
        return;
      case "end":
        this.#remove(message.id, entry);
        if (wanted) this.#tell(message.id, entry, () => sink.end(message.close_code, message.reason));
        return;
      case "error":
        this.#remove(message.id, entry);
        if (wanted) sink.fail(message);
    }
  }

  /** What cannot be passed on fails its call alone. */
  #tell(id: number, entry: Entry, pass: () => void): void {
    try {
      pass();
    } catch (error) {
      entry.call.sink.fail({
        reason: "unserialisable",
        message: `The answer cannot be sent: ${error instanceof Error ? error.message : String(error)}`,
      });
      this.#cancel(id, entry);
    }
  }

  #cutOff(id: number, entry: Entry): void {
    const { answerBytes } = this.#options;
    entry.call.sink.fail({
      reason: "too_large",
      message: `The answer is over the limit of ${answerBytes} bytes.`,
    });
    this.#cancel(id, entry);
    this.#expectEnd(id, entry, "It goes on answering a call whose answer is over the limit.");
  }

  #timeOut(id: number, entry: Entry, timeoutMs: number): void {
    if (!entry.isAbandoned) {
      entry.call.sink.fail({
        reason: "timeout",
        message: `The model's code had ${timeoutMs} ms and did not answer.`,
      });
    }
    this.#cancel(id, entry);
    this.#options.onTimeout();
    this.#expectEnd(id, entry, `It did not end a call whose ${timeoutMs} ms were over.`);
  }

  /** Nobody wants the answer. What only its caller gave up goes on for as long as its time is, if it has one. */
  #cancel(id: number, entry: Entry): void {
    if (entry.isAbandoned || !this.#entries.has(id)) return;
    entry.isAbandoned = true;
    this.#options.send({ kind: "cancel", id });
    if (entry.timer === undefined) this.#expectEnd(id, entry, "It did not end a call that was canceled.");
  }

  #expectEnd(id: number, entry: Entry, reason: string): void {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => {
      if (!this.#entries.has(id)) return;
      entry.isStuck = true;
      this.#options.onStuck(reason);
    }, this.#options.cancelGraceMs);
  }

  #remove(id: number, entry: Entry): void {
    clearTimeout(entry.timer);
    this.#entries.delete(id);
    this.#options.onEnded();
  }
}
