// What came of computing a step: its rows, or why there are none.

import type { ErrorCode } from "@corral/contract";
import type { PrefixMove } from "../cache/prefix-move.ts";
import type { StepOutputs } from "../model-runner.ts";

/** What was moved was moved in either case. */
export type DecodedStep = { readonly moves: readonly PrefixMove[] } & (
  | { readonly kind: "computed"; readonly outputs: StepOutputs }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly detail: string;
      readonly cause: unknown;
    }
);
