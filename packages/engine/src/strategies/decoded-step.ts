// What came of computing a step: its rows, or why there are none.

import type { ErrorCode } from "@corral/contract";
import type { StepOutputs } from "../model-runner.ts";

export type DecodedStep =
  | { readonly kind: "computed"; readonly outputs: StepOutputs }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly detail: string;
      readonly cause: unknown;
    };
