// A replica in the test's own process, with a platform on its control channel.

import { startReplica, type Replica, type ReplicaOptions } from "../replica.ts";
import { createLog, type Log } from "../log.ts";
import type { LoadedModel, LoadModel } from "../loaded-model.ts";
import { createFakeLoadedModel, loadFake } from "./fake-loaded-model.ts";
import {
  dialControlChannel,
  makeCall,
  openCall,
  type Answer,
  type Call,
  type OpenCall,
  type PlatformSide,
} from "./platform-side.ts";
import { createTestPlace, testConfig, type ConfigChanges } from "./test-config.ts";

export interface TestReplicaOptions {
  readonly config?: ConfigChanges;
  readonly model?: LoadedModel;
  readonly loadModel?: LoadModel;
  readonly graces?: ReplicaOptions["graces"];
  /** False: there is code and nothing else. */
  readonly hasModel?: boolean;
  /** Dial the control channel and wait until it is ready; default true. */
  readonly dial?: boolean;
  readonly acknowledges?: boolean;
}

export interface TestReplica {
  readonly replica: Replica;
  readonly platform: PlatformSide;
  readonly socketPath: string;
  /** What was logged, one line each. */
  readonly logLines: readonly string[];
  call(call: Call): Promise<Answer>;
  open(call: Call): OpenCall;
  redial(acknowledges?: boolean): Promise<PlatformSide>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startTestReplica(options: TestReplicaOptions = {}): Promise<TestReplica> {
  const place = createTestPlace();
  const logLines: string[] = [];
  const log: Log = createLog("error", (line) => logLines.push(line));
  const model = options.model ?? createFakeLoadedModel();
  const { weights, ...config } = testConfig(place.socketPath, options.config);
  const replica = await startReplica({
    config: options.hasModel === false ? config : { ...config, weights },
    loadModel: options.loadModel ?? loadFake(model),
    log,
    graces: { channelLossMs: 200, firstDialMs: 2_000, drainMs: 2_000, ...options.graces },
  });
  const dial = (acknowledges = options.acknowledges ?? true) =>
    dialControlChannel(place.socketPath, acknowledges);
  const platforms: PlatformSide[] = [];
  const dispose = async () => {
    replica.drain();
    await replica.ended;
    for (const platform of platforms) platform.close();
    place.remove();
  };
  if (options.dial !== false) {
    platforms.push(await dial());
    await replica.ready.catch(async (error: unknown) => {
      await dispose();
      throw error;
    });
  }
  return {
    replica,
    get platform() {
      const platform = platforms.at(-1);
      if (platform === undefined) throw new Error("Nobody has dialled.");
      return platform;
    },
    socketPath: place.socketPath,
    logLines,
    call: (call) => makeCall(place.socketPath, call),
    open: (call) => openCall(place.socketPath, call),
    async redial(acknowledges) {
      const platform = await dial(acknowledges);
      platforms.push(platform);
      return platform;
    },
    [Symbol.asyncDispose]: dispose,
  };
}
