// The documented Baseten predict call: wire names of `POST /model_versions/{deployment}/predict`.

import type { ChatMessage } from "./chat.ts";
import type { FinishReason, Usage } from "./run.ts";

/** `model_output` of a text model. `outputs` instead of `output` for several sequences. */
export interface BasetenOutput {
  readonly output?: string;
  readonly outputs?: readonly string[];
  readonly generated_text?: readonly ChatMessage[] | string;
  readonly usage: Usage;
  readonly finish_reason: FinishReason;
  readonly run_id: string;
  readonly warnings?: readonly string[];
}

/** The envelope of the old routes; the newer ones answer `model_output` alone. */
export interface BasetenEnvelope {
  readonly model_id: string;
  readonly model_version_id: string;
  readonly model_output: BasetenOutput;
}

/** `max_tokens` of the Llama 3 page: total length, prompt counted; at most this. */
export const maxTokensLimit = 4096;
