// `llm`: the model whose weights lie beside the code, in the same replica. Calls of many runs are batched together.

import { host } from "./host.ts";

/** Any parameter of `generate`, with `prompt`, `messages` or `input_ids`. */
export type GenerateParameters = Readonly<Record<string, unknown>>;

export interface LlmUsage {
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly generated_tokens: number;
}

export interface LlmAnswer {
  readonly run_id: string;
  readonly run_time_ms: number;
  /** As `POST /api/v1/deployments/{d}/generate` answers it: one element for each returned sequence. */
  // oxlint-disable-next-line typescript/no-explicit-any -- its shape depends on the parameters
  readonly result: any;
  readonly usage: LlmUsage;
  readonly warnings: readonly string[];
}

export interface LlmChunk {
  readonly text: string;
  /** Index of the sequence that it belongs to. */
  readonly sequence?: number;
  /** In the last chunk alone, whose text is empty. */
  readonly done?: LlmAnswer;
}

export interface LlmEmbeddings {
  // oxlint-disable-next-line typescript/no-explicit-any -- as the API answers it
  readonly [member: string]: any;
}

export interface LlmRendered {
  readonly text: string;
  readonly ids: readonly number[];
}

export interface Llm {
  generate(parameters: GenerateParameters): Promise<LlmAnswer>;
  /** Ends with a chunk that has `done`. To leave the loop early aborts the generation. */
  stream(parameters: GenerateParameters): AsyncIterable<LlmChunk>;
  /** The body of `POST /api/v1/deployments/{d}/embeddings`. */
  embed(parameters: Readonly<Record<string, unknown>>): Promise<LlmEmbeddings>;
  tokenize(text: string, options?: { readonly addSpecialTokens?: boolean }): Promise<readonly number[]>;
  detokenize(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): Promise<string>;
  /** The text and ids that `generate` would go on from. */
  render(parameters: Readonly<Record<string, unknown>>): Promise<LlmRendered>;
}

/** Another deployment: a run of its own for each call, within the limits of the key that called the code. */
export interface OtherDeployment extends Llm {
  /** Of a deployment with code: what its `predict` answers. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as that code answers it
  predict(input: unknown): Promise<any>;
}

function llmOf(deployment?: string): Llm {
  const call = (method: string, body: unknown) => host().callLlm(method, body, deployment);
  return {
    generate: (parameters) => call("llm.generate", parameters) as Promise<LlmAnswer>,
    stream: (parameters) => host().streamLlm("llm.stream", parameters, deployment) as AsyncIterable<LlmChunk>,
    embed: (parameters) => call("llm.embed", parameters) as Promise<LlmEmbeddings>,
    async tokenize(text, { addSpecialTokens = true } = {}) {
      const body = { text, add_special_tokens: addSpecialTokens };
      const { ids } = (await call("llm.tokenize", body)) as { ids: readonly number[] };
      return ids;
    },
    async detokenize(ids, { skipSpecialTokens = false } = {}) {
      const body = { ids, skip_special_tokens: skipSpecialTokens };
      const answer = (await call("llm.detokenize", body)) as { text: string };
      return answer.text;
    },
    render: (parameters) => call("llm.render", parameters) as Promise<LlmRendered>,
  };
}

export const llm: Llm & {
  /** Another deployment, by its id or name, or by the name of a model, whose production deployment answers. */
  of(deployment: string): OtherDeployment;
} = {
  ...llmOf(),
  of: (deployment) => ({
    ...llmOf(deployment),
    async predict(input) {
      const answer = (await host().callLlm("llm.predict", input, deployment)) as { result: unknown };
      return answer.result;
    },
  }),
};
