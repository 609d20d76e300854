// A prepared evaluation into the engine: the key's share, the adapter, a place in its queue. Knows no response and no
// ledger.

import { ServingError } from "@corral/contract";
import { useAdapter, type AdapterUse } from "../adapter-table.ts";
import type { PredictService } from "../predict.ts";
import type { Submission } from "../submit-prompts.ts";
import { evaluateTexts, type TextsHandle } from "./evaluate-texts.ts";
import type { EvaluationCall } from "./evaluation-call.ts";

/** What it takes of a budget. */
export function tokensOf({ texts }: EvaluationCall): number {
  return texts.reduce((sum, { ids }) => sum + ids.length, 0);
}

/** Takes the key's share and a place in the engine's queue; nothing is kept of a call that gets none. */
export function submitTexts(
  { engines, keyLimits, clock, adapters }: PredictService,
  { id, forwarded, receivedAtMs }: Submission,
  call: EvaluationCall,
): { readonly handle: TextsHandle; readonly release: () => void } {
  const { texts, evaluation, adapter: adapterName } = call;
  const { projectId, keyId, priority, deadlineAtMs, tokenCap, weight } = forwarded;
  if (deadlineAtMs !== null && deadlineAtMs <= clock.now()) {
    throw new ServingError("timeout", "The call's time was over before the model could begin.");
  }
  const owner = keyId ?? projectId;
  const tokenCount = tokensOf(call);
  const releaseClaim = keyLimits.claim({ holder: owner, tokenCount, cap: tokenCap, counted });
  let adapter: AdapterUse | null = null;
  const release = () => {
    releaseClaim();
    adapter?.release();
  };
  try {
    adapter = useAdapter(adapters, adapterName);
    const handle = evaluateTexts(
      engines.shared,
      {
        id,
        texts: texts.map(({ ids }) => ids),
        evaluation,
        owner,
        weight,
        namespace: projectId,
        adapter: adapter?.key ?? null,
        priority,
        deadlineAtMs,
        receivedAtMs,
      },
      clock,
    );
    return { handle, release };
  } catch (error) {
    release();
    throw error;
  }
}

const counted = { of: "those of all its texts", remedy: "Send less text in a call." };
