// What stands behind `@corral/model` and `console` in this process.

import { format } from "node:util";
import { connectHost } from "@corral/model/host";
import type { LlmMethod } from "../protocol.ts";
import type { Channel } from "./channel.ts";
import { currentCall } from "./current-call.ts";
import type { LlmClient } from "./llm-client.ts";

export interface InstallOptions {
  readonly channel: Channel;
  readonly llm: LlmClient;
  readonly secrets: Readonly<Record<string, string>>;
  readonly hasLlm: boolean;
}

const noLlm =
  "This model has code and no weights, so there is no llm. Name weights in config.yaml under model_metadata.corral.weights.";

export function installHost({ channel, llm, secrets, hasLlm }: InstallOptions): void {
  const runId = () => currentCall()?.context.runId ?? null;
  connectHost({
    async callLlm(method, body) {
      if (!hasLlm) throw new Error(noLlm);
      const call = currentCall();
      return await llm.call(method as LlmMethod, body, call?.id ?? null, call?.context.signal ?? null);
    },
    streamLlm(method, body) {
      if (!hasLlm) throw new Error(noLlm);
      const call = currentCall();
      return llm.stream(method as LlmMethod, body, call?.id ?? null, call?.context.signal ?? null);
    },
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
