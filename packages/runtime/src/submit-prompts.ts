// A prepared call into the engine: the key's share, the adapter, a place in its queue. Knows no response and no ledger.

import { generationCaps, ServingError } from "@corral/contract";
import { sequenceCountOf, type Engine, type ValidGeneration } from "@corral/engine";
import { useAdapter, type AdapterUse } from "./adapter-table.ts";
import type { ForwardedCall } from "./call-headers.ts";
import type { DialectContext } from "./dialects/dialect.ts";
import { generatePrompts, type PromptsHandle } from "./generate-prompts.ts";
import type { PredictService } from "./predict.ts";
import type { PreparedCall } from "./prepare-call.ts";
import type { PreparedGeneration } from "./prepare-generation.ts";

/** What a dialect is told of the call and of the model. */
export function dialectContext(
  { model, config, engines, adapters, loadedDraftModels }: PredictService,
  forwarded: ForwardedCall,
  { query, receivedAtMs }: { readonly query: URLSearchParams; readonly receivedAtMs: number },
): DialectContext {
  const { slotCount, cellCount } = engines.shared.load();
  const draftModels = (config.draft_models ?? []).map(({ name }) => name);
  return {
    runId: forwarded.runId,
    modelId: forwarded.modelId ?? config.model_id,
    deploymentId: forwarded.deploymentId ?? config.deployment_id,
    query,
    acceptsEventStream: forwarded.acceptsEventStream,
    isBare: forwarded.isBare,
    isQueued: forwarded.queuedMs !== null,
    generationConfig: config.generation_config,
    defaults: config.defaults,
    maxSequenceCount: slotCount,
    cellCount,
    receivedAtMs,
    vocabulary: model.vocabulary,
    caps: generationCaps(config.limits.call_caps),
    draftModels,
    adapters: adapters.names(),
    leftOutDraftModels: draftModels.filter((name) => !loadedDraftModels.has(name)),
  };
}

export interface Submission {
  /** The engine's name for it. */
  readonly id: string;
  readonly forwarded: ForwardedCall;
  readonly receivedAtMs: number;
}

/** Takes the key's share and a place in the engine's queue; nothing is kept of a call that gets none. */
export function submitPrompts(
  service: PredictService,
  engine: Engine,
  { id, forwarded, receivedAtMs }: Submission,
  { call, prompts }: PreparedCall,
): { readonly handle: PromptsHandle; readonly release: () => void } {
  const { projectId, keyId, deadlineAtMs } = forwarded;
  if (deadlineAtMs !== null && deadlineAtMs <= service.clock.now()) {
    throw new ServingError("timeout", "The call's time was over before the model could begin.");
  }
  const releaseClaim = service.keyLimits.claim({
    holder: keyId ?? projectId,
    tokenCount: sumOf(prompts, (generation) => sequenceCountOf(generation) * generation.maxLength),
    cap: forwarded.tokenCap,
  });
  let adapter: AdapterUse | null = null;
  const release = () => {
    releaseClaim();
    adapter?.release();
  };
  try {
    // The same for all prompts of a call.
    adapter = useAdapter(service.adapters, prompts[0].generation.adapter);
    const handle = generatePrompts(
      engine,
      {
        id,
        prompts: prompts.map(({ promptIds, generation }) => ({ promptIds, generation })),
        // Several prompts leave half of the slots to others.
        mostSequencesAtOnce: Math.floor(engine.load().slotCount / 2),
        owner: keyId ?? projectId,
        weight: forwarded.weight,
        namespace: projectId,
        adapter: adapter?.key ?? null,
        priority: forwarded.priority,
        deadlineAtMs,
        receivedAtMs,
        skipSpecialTokens: call.skipSpecialTokens,
        stripsStopStrings: call.stripsStopStrings ?? false,
      },
      service.clock,
    );
    return { handle, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Most that the call takes of a budget: every prompt once, and all that its returned sequences may get. */
export function mostTokensOf({ prompts }: PreparedCall): number {
  return sumOf(
    prompts,
    ({ promptTokenCount, maxLength, returnedSequenceCount }) =>
      promptTokenCount + returnedSequenceCount * (maxLength - promptTokenCount),
  );
}

export function sumOf(
  prompts: readonly PreparedGeneration[],
  count: (generation: ValidGeneration) => number,
): number {
  return prompts.reduce((sum, { generation }) => sum + count(generation), 0);
}
