// The documented Cerebrium call: the envelope of `POST /{identifier}-webhook/predict`.

import type { ErrorCode, FieldError } from "./errors.ts";

export interface CerebriumAnswer {
  readonly run_id: string;
  /** Milliseconds of the predict call alone: no queue, no load. */
  readonly run_time_ms: number;
  readonly message: string;
  readonly result: readonly { readonly generated_text: string }[] | string | null;
  /** Ours, on errors only. */
  readonly code?: ErrorCode;
  readonly errors?: readonly FieldError[];
}

export const successMessage = "Ran successfully";
/** Response header that lists what was ignored or adjusted. */
export const warningsHeader = "x-corral-warnings";
