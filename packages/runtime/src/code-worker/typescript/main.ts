// The process that runs a TypeScript model's code: started by the replica with a socket as descriptor 3. The order of its
// life; everything else is in the files beside it.

import { flushCompileCache } from "node:module";
import { channelOverDescriptor, type Channel } from "./channel.ts";
import { createLlmClient } from "./llm-client.ts";
import { installHost } from "./install-host.ts";
import { loadModel, ModelNotLoaded } from "./load-model.ts";
import { installModuleHooks } from "./module-hooks.ts";
import type { StartMessage } from "../protocol.ts";
import { createCallRunner, type CallRunner } from "./run-call.ts";
import { createTracebacks } from "./traceback.ts";

const channel = channelOverDescriptor();
// The replica is gone, and with it whoever could want anything of this process.
channel.onClose(() => process.exit(0));

const started = Promise.withResolvers<StartMessage>();
let runner: CallRunner | null = null;
let tellEnvironment: ((environment: StartMessage["environment"]) => void) | null = null;
const llm = createLlmClient(channel);

channel.onMessage((message, body) => {
  switch (message.kind) {
    case "start":
      started.resolve(message);
      return;
    case "call":
      runner?.begin(message, body);
      return;
    case "cancel":
      runner?.cancel(message.id);
      return;
    case "pause":
    case "resume":
      runner?.setPaused(message.id, message.kind === "pause");
      return;
    case "answer":
    case "chunk":
    case "end":
    case "error":
      llm.take(message, body);
      return;
    case "ping":
      channel.send({ kind: "pong", number: message.number });
      return;
    case "shutdown":
      void shutDown(channel);
      return;
    case "reload":
      channel.send({ kind: "reload_failed", message: "TypeScript code is replaced by a new process." });
      return;
    case "input":
      runner?.input(message.id, body, message.text);
      return;
    case "input_end":
      runner?.inputEnd(message.id, message.close_code);
      return;
    case "environment":
      tellEnvironment?.(message.environment);
      return;
  }
});

// While nobody waits for it, as a rule; what is kept already is not written again.
flushCompileCache();
const start = await started.promise;
process.chdir(start.directory);
const tracebacks = createTracebacks(start.directory);
installModuleHooks(start.directory, process.argv[2] ?? null);
installHost({ channel, llm, secrets: start.secrets, hasLlm: start.has_llm });
process.on("unhandledRejection", (error) => {
  // Nobody waits for it, so it is no call's failure.
  channel.log("error", `A promise failed that nobody waits for: ${tracebacks.of(error)}`, null);
});
process.on("uncaughtException", (error) => {
  channel.log("error", `The code threw outside of any call: ${tracebacks.of(error)}`, null);
  channel.flush(() => process.exit(1));
});

try {
  const { model, loadMs, warnings } = await loadModel(start, (stage) =>
    channel.send({ kind: "stage", stage }),
  );
  tellEnvironment = (environment) => {
    model.environment.tell(environment).catch((error: unknown) => {
      channel.log("error", `setupEnvironment failed: ${tracebacks.of(error)}`, null);
    });
  };
  runner = createCallRunner({ channel, model, start, tracebacks });
  channel.send({
    kind: "loaded",
    methods: [...model.methods.keys()],
    schemas: model.schemas,
    load_ms: loadMs,
    warnings: [...warnings],
  });
} catch (error) {
  const { stage, cause } =
    error instanceof ModelNotLoaded ? error : { stage: "import" as const, cause: error };
  channel.send({ kind: "failed", stage, ...tracebacks.failure(cause) });
  channel.flush(() => process.exit(1));
}

async function shutDown({ flush }: Channel): Promise<void> {
  await runner?.allEnded();
  flush(() => process.exit(0));
}
