// The workload of the overhead measurement: small predict calls whose generation costs next to nothing, so that
// what is left is the way there and back. Fixed in size, order and content.

export interface Workload {
  readonly name: string;
  /** JSON body of every call. */
  readonly body: string;
  /** Calls before a round counts. */
  readonly warmupCount: number;
  /** Counted calls of a round. */
  readonly callCount: number;
  /** Connections that call at once, without a pause. */
  readonly connectionCount: number;
}

const body = JSON.stringify({
  messages: [{ role: "user", content: "What even is AGI?" }],
  max_new_tokens: 1,
  do_sample: false,
});

/** One call at a time: the added latency. */
export const oneAtATime: Workload = {
  name: "1 connection",
  body,
  warmupCount: 100,
  callCount: 600,
  connectionCount: 1,
};

/** Sixteen at a time: requests per second. */
export const sixteenAtATime: Workload = {
  name: "16 connections",
  body,
  warmupCount: 200,
  callCount: 2_000,
  connectionCount: 16,
};

/** As many as are waiting at any time that nobody is idle for want of a call. */
export const sixtyFourAtATime: Workload = {
  name: "64 connections",
  body,
  warmupCount: 300,
  callCount: 2_500,
  connectionCount: 64,
};
