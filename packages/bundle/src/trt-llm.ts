// `trt_llm`, Baseten's way to serve a model of a hub without code. TensorRT-LLM is no engine of Corral, but the weights
// are: the repository that it names is what Corral's engine serves. Pure.
// Source: truss 0.18.35, trt_llm_config.py, CheckpointRepository.

import { isRecord } from "./config-issues.ts";

export const trtLlmUnknown =
  "trt_llm names no repository of the Hugging Face hub in build.checkpoint_repository (source: HF, repo: owner/name), " +
  "and TensorRT-LLM is no engine of Corral. Name the weights under model_metadata.corral.weights.";

/** `owner/name`, with `@revision` where there is one; null: it names no repository of the hub. */
export function repositoryOfTrtLlm(trtLlm: unknown): string | null {
  const build = isRecord(trtLlm) ? trtLlm["build"] : null;
  const checkpoint = isRecord(build) ? build["checkpoint_repository"] : null;
  if (!isRecord(checkpoint) || String(checkpoint["source"]).toUpperCase() !== "HF") return null;
  const { repo, revision } = checkpoint;
  if (typeof repo !== "string" || !/^\w[\w.-]*\/\w[\w.-]*$/.test(repo)) return null;
  if (typeof revision !== "string" || revision === "") return repo;
  return /^\w[\w./-]*$/.test(revision) ? `${repo}@${revision}` : null;
}
