// Every serving workload by its name.

import { beams } from "./workloads/beams.ts";
import { callers16, callers32, callers8 } from "./workloads/callers.ts";
import { chat } from "./workloads/chat.ts";
import { decode } from "./workloads/decode.ts";
import { hog } from "./workloads/hog.ts";
import { hostTime } from "./workloads/host-time.ts";
import { interactive } from "./workloads/interactive.ts";
import { overload } from "./workloads/overload.ts";
import { prefill2048, prefill512 } from "./workloads/prefill.ts";
import { restart } from "./workloads/restart.ts";
import { samples } from "./workloads/samples.ts";
import { sharedPrefix } from "./workloads/shared-prefix.ts";
import type { Workload } from "./workload.ts";

export const workloads: readonly Workload[] = [
  decode,
  prefill512,
  prefill2048,
  callers8,
  callers16,
  callers32,
  sharedPrefix,
  samples,
  beams,
  chat,
  interactive,
  hog,
  overload,
  restart,
  hostTime,
];
