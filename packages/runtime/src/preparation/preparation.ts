// What the steps of one preparation share.

import type { PreparationMessage, WeightsStage } from "@corral/contract";
import { createStageProgress, type ReportProgress } from "./progress.ts";
import type { WorkFiles } from "./work-files.ts";

export interface Preparation {
  readonly send: (message: PreparationMessage) => void;
  readonly files: WorkFiles;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** In milliseconds. */
  readonly now: () => number;
}

/** Says that the stage has begun. */
export function startStage(stage: WeightsStage, { send, now }: Preparation): ReportProgress {
  const progress = createStageProgress(stage, send, now);
  progress(0, null);
  return progress;
}
