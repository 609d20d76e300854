// The text of a client that is the same for every deployment: the request, its failures, and one function for each way
// of being answered. Pure.

/** @param url of the platform, without a trailing slash */
export function callFrame(url: string, path: string): string {
  return `export interface ClientOptions {
  readonly key: string;
  /** Of the platform; default: where this file was made from. */
  readonly url?: string;
  readonly fetch?: typeof fetch;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** An answer that is none: \`body\` is what came, as JSON where it is. */
export class PredictError extends Error {
  override readonly name = "PredictError";
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(\`The call was answered \${status}: \${typeof body === "string" ? body : JSON.stringify(body)}\`);
    this.status = status;
    this.body = body;
  }
}

const path = ${JSON.stringify(path)};

async function call(input: unknown, options: ClientOptions, { signal }: CallOptions): Promise<Response> {
  const response = await (options.fetch ?? fetch)(\`\${options.url ?? ${JSON.stringify(url)}}\${path}\`, {
    method: "POST",
    headers: { authorization: \`Bearer \${options.key}\`, "content-type": "application/json" },
    body: JSON.stringify(input),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.ok) return response;
  const text = await response.text();
  throw new PredictError(response.status, asJson(text));
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
`;
}

const piecesOfText = `async function* pieces(response: Response): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    const text = decoder.decode(piece, { stream: true });
    if (text !== "") yield text;
  }
  const rest = decoder.decode();
  if (rest !== "") yield rest;
}
`;

const json = `/** Fails with a \`PredictError\` for every answer that is none. */
export function createClient(options: ClientOptions) {
  return {
    async predict(input: Input, callOptions: CallOptions = {}): Promise<Output> {
      return (await (await call(input, options, callOptions)).json()) as Output;
    },
  };
}`;

const text = `${piecesOfText}
/** Fails with a \`PredictError\` for every answer that is none. */
export function createClient(options: ClientOptions) {
  return {
    /** Text as it is made. */
    async *predict(input: Input, callOptions: CallOptions = {}): AsyncGenerator<string, void, undefined> {
      yield* pieces(await call(input, options, callOptions));
    },
  };
}`;

const choice = `/** \`token\`: a piece of text as it is made. \`done\`: the whole answer, always the last. */
export type StreamEvent =
  | { readonly event: "token"; readonly data: { readonly text: string; readonly [name: string]: unknown } }
  | { readonly event: "done"; readonly data: Output };

${piecesOfText}
async function* events(response: Response): AsyncGenerator<StreamEvent, void, undefined> {
  let rest = "";
  for await (const piece of pieces(response)) {
    const frames = (rest + piece).split("\\n\\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      const [, event] = /^event: (.*)$/m.exec(frame) ?? [];
      const [, data] = /^data: (.*)$/m.exec(frame) ?? [];
      // Without data it only keeps the connection alive.
      if (event === undefined || data === undefined) continue;
      if (event === "error") throw new PredictError(response.status, asJson(data));
      yield { event, data: JSON.parse(data) } as StreamEvent;
      if (event === "done") return;
    }
  }
  throw new PredictError(response.status, "The stream broke off before its end.");
}

/** Fails with a \`PredictError\` for every answer that is none. */
export function createClient(options: ClientOptions) {
  return {
    /** With the whole answer at its end; \`stream\` gives it as it is made. */
    async predict(input: Input & { readonly stream?: never }, callOptions: CallOptions = {}): Promise<Output> {
      return (await (await call({ ...input, stream: false }, options, callOptions)).json()) as Output;
    },
    async *stream(
      input: Input & { readonly stream?: never },
      callOptions: CallOptions = {},
    ): AsyncGenerator<StreamEvent, void, undefined> {
      yield* events(await call({ ...input, stream: true }, options, callOptions));
    },
  };
}`;

/** By how the deployment answers: JSON, text piece by piece, or JSON and events where asked for. */
export const createClientText = { json, text, choice } as const;
