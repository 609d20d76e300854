// What stands behind `@corral/model` and `console` in this process.

import { format } from "node:util";
import { connectHost } from "@corral/model/host";
import type { LlmMethod } from "../protocol.ts";
import type { Channel } from "./channel.ts";
import { currentCall } from "./current-call.ts";
import type { LlmClient, LlmClientRequest } from "./llm-client.ts";

export interface InstallOptions {
  readonly channel: Channel;
  readonly llm: LlmClient;
  readonly secrets: Readonly<Record<string, string>>;
  readonly hasLlm: boolean;
}

const noLlm =
  "This model has code and no weights, so there is no llm. Call another deployment with llm.of(name), or name weights in config.yaml under model_metadata.corral.weights.";

export function installHost({ channel, llm, secrets, hasLlm }: InstallOptions): void {
  function requestOf(method: string, body: unknown, deployment: string | undefined): LlmClientRequest {
    if (!hasLlm && deployment === undefined) throw new Error(noLlm);
    const call = currentCall();
    return {
      method: method as LlmMethod,
      body,
      during: call?.id ?? null,
      signal: call?.context.signal ?? null,
      ...(deployment === undefined ? {} : { deployment }),
    };
  }
  const runId = () => currentCall()?.context.runId ?? null;
  connectHost({
    async callLlm(method, body, deployment) {
      return await llm.call(requestOf(method, body, deployment));
    },
    streamLlm: (method, body, deployment) => llm.stream(requestOf(method, body, deployment)),
    log: (level, message) => channel.log(level, message, runId()),
    secret: (name) => (Object.hasOwn(secrets, name) ? secrets[name] : undefined),
    currentCall: () => currentCall()?.context ?? null,
  });
  const levels = {
    debug: "debug",
    log: "info",
    info: "info",
    warn: "warn",
    error: "error",
    trace: "debug",
  } as const;
  for (const [name, level] of Object.entries(levels)) {
    console[name as keyof typeof levels] = (...values: unknown[]) =>
      channel.log(level, format(...values), runId());
  }
}
