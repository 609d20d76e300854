// The control channel between a platform and a replica: every message of both directions in one closed type.
// One JSON value a line; the platform dials (an HTTP upgrade on the replica's own address), so process,
// container and pod are reached alike.

import { z } from "zod";
import { codeInterfaceSchema } from "./code-interface.ts";
import { dialects, finishReasons, runErrorSchema, timingsSchema, usageSchema } from "./run.ts";
import { replicaStatisticsSchema } from "./statistics.ts";

/** Path and protocol name of the upgrade request that opens the channel. */
export const controlPath = "/_corral/control";
export const controlProtocol = "corral-control.1";

/** Most bytes of one message of a websocket, in either direction. Source: truss 0.18.35. */
export const websocketMessageBytes = 100 * 1024 * 1024;

/** Where a replica calls other deployments: `POST /calls/METHOD?deployment=NAME`, on the address in its config. */
export const callsPath = "/calls";
/** A chain of deployments that call each other has at most so many calls after its caller's. */
export const deepestCall = 4;

/** A replica that lost its channel admits nothing and exits after this time. */
export const channelLossGraceMs = 2_000;
/** For a lost replica the last report stands: it is at most this old, or this many tokens behind. */
export const progressReportMs = 250;
export const progressReportTokens = 32;

const runId = z.uuid();

/** What an engine has to do just now, and how full its steps were since it started. */
export const loadFields = {
  running_sequences: z.int(),
  running_groups: z.int(),
  waiting_groups: z.int(),
  used_slots: z.int(),
  slot_count: z.int(),
  used_cells: z.int(),
  cell_count: z.int(),
  step_sequences: z
    .record(z.string(), z.int())
    .describe("Sequences in a step → number of steps with that many, since the replica started."),
} as const;

/** What computes a replica's steps, as it was found and chosen at the start. */
export const computeFields = {
  backend: z.enum(["cpu", "cuda", "vulkan"]),
  libraries: z
    .enum(["packaged", "own"])
    .describe("The llama.cpp libraries of the npm packages, or those of `CORRAL_LLAMA_LIBRARIES`."),
  devices: z
    .array(
      z.object({
        name: z.string(),
        description: z.string(),
        memory_bytes: z.int(),
        free_bytes: z.int().describe("Before the model was loaded."),
      }),
    )
    .describe("The GPUs that hold layers, else the processor."),
  gpu_layers: z.int().describe("Layers on GPUs, the output layer among them."),
  layer_count: z.int().describe("Layers of the model, the output layer among them."),
  threads: z.int().describe("Most threads of a step; beside other busy replicas it takes fewer."),
} as const;
const computeSchema = z.object(computeFields);
export type Compute = z.infer<typeof computeSchema>;

/** Text of a run that came since its last report. */
export const runTextSchema = z.object({
  at: z
    .int()
    .nonnegative()
    .describe("Where it begins: length of all pieces before it, in UTF-16 code units."),
  pieces: z
    .array(z.tuple([z.int().nonnegative(), z.int().nonnegative(), z.string()]))
    .describe("Index of the prompt, index of its sequence, text."),
});
export type RunText = z.infer<typeof runTextSchema>;

/** An answer that is kept whole, so that the same call can be answered with it again. */
const wholeAnswerSchema = z.object({
  status: z.int(),
  content_type: z.string(),
  body_base64: z.string(),
});
export type WholeAnswer = z.infer<typeof wholeAnswerSchema>;

const reports = [
  z.object({
    kind: z.literal("ready"),
    weights_sha256: z.string().nullable(),
    /** Of the model's; absent with `compute` where code answers alone. */
    context_length: z.int().optional(),
    precision: z.enum(["default", "reference"]),
    load_ms: z.number(),
    compute: computeSchema.optional(),
    /** Of its code; absent: it has none. */
    code: codeInterfaceSchema.optional(),
  }),
  z.object({
    kind: z.literal("started"),
    run_id: runId,
    project_id: z.string(),
    key_id: z.string().nullable(),
    dialect: z.enum(dialects),
    prompt_tokens: z.int(),
    sequence_count: z.int(),
    arrived_ms: z
      .int()
      .optional()
      .describe("When the call came to the gateway, milliseconds since the epoch."),
    stored: z.boolean().optional().describe("False: its output is not kept. Absent: true."),
    follows_text: z.boolean().optional().describe("Its text will be in the reports of its progress."),
    parameters: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("What the generation was set to, by wire names, but for defaults that nobody set."),
  }),
  z.object({
    kind: z.literal("first_token"),
    run_id: runId,
    at_ms: z.int().optional().describe("Milliseconds since the epoch; absent: as the report arrives."),
  }),
  z.object({
    kind: z.literal("progress"),
    run_id: runId,
    prompt_tokens: z.int(),
    cached_tokens: z.int(),
    generated_tokens: z.int(),
    text: runTextSchema.optional(),
  }),
  z.object({
    kind: z.literal("finished"),
    run_id: runId,
    status: z.enum(["succeeded", "failed", "canceled"]),
    finish_reasons: z.array(z.enum(finishReasons)),
    output: z.unknown(),
    error: runErrorSchema.nullable(),
    usage: usageSchema,
    timings_ms: timingsSchema,
    answer: wholeAnswerSchema.optional(),
  }),
  /** All that the run may take of its key's budget; 0: nothing any more. Answered by `reservation`. */
  z.object({
    kind: z.literal("reserve"),
    run_id: runId,
    key_id: z.string(),
    tokens: z.int().nonnegative(),
  }),
  z.object({
    kind: z.literal("load"),
    ...loadFields,
    statistics: replicaStatisticsSchema,
  }),
  z.object({ kind: z.literal("memory"), rss_bytes: z.int() }),
] as const;

export const reportBodySchema = z.discriminatedUnion("kind", reports);
export type ReportBody = z.infer<typeof reportBodySchema>;

/** Replica → platform. Numbers ascend by one from 1 over the replica's life; a number is sent until acknowledged. */
export const reportSchema = z.object({ number: z.int().positive(), report: reportBodySchema });
export type Report = z.infer<typeof reportSchema>;

/** Platform → replica. */
export const controlMessageSchema = z.discriminatedUnion("kind", [
  /** Every report up to this number is committed; a `finished` one may now be answered. */
  z.object({ kind: z.literal("ack"), number: z.int().nonnegative() }),
  /** Admit nothing more, finish what runs, then exit. */
  z.object({ kind: z.literal("drain") }),
  z.object({ kind: z.literal("cancel"), run_id: runId }),
  /** To a `reserve` of so many tokens. */
  z.object({
    kind: z.literal("reservation"),
    run_id: runId,
    tokens: z.int().nonnegative(),
    granted: z.boolean(),
    /** Where it is not granted. */
    error: runErrorSchema.extend({ retry_after_seconds: z.int().optional() }).optional(),
  }),
]);
export type ControlMessage = z.infer<typeof controlMessageSchema>;

/** `1` on a replica's answer: it began no run for the call, and will begin none. Callers never see it. */
export const unbegunHeader = "x-corral-unbegun";

/** Headers that the gateway puts on the bytes it forwards; never accepted from outside. */
/** Value of `x-corral-store` for a call that says nothing, in a project that keeps no outputs: its body may ask for it. */
export const storedIfAsked = "if-asked";

export const forwardedHeaders = {
  runId: "x-corral-run-id",
  dialect: "x-corral-dialect",
  project: "x-corral-project",
  key: "x-corral-key-id",
  priority: "x-corral-priority",
  /** Milliseconds since the epoch after which the call may be given up. */
  deadline: "x-corral-deadline",
  /** Milliseconds for which the call waited until its model was loaded, or absent: it was. */
  load: "x-corral-load-ms",
  /** Milliseconds for which the call was in the queue, or absent: its caller waits for it. */
  queued: "x-corral-queued-ms",
  /** What the caller addressed, echoed in the Baseten envelope. */
  model: "x-corral-model-id",
  deployment: "x-corral-deployment-id",
  /** Most sequences × tokens that the key may hold at once on a replica, or absent: no cap. */
  tokenCap: "x-corral-token-cap",
  weight: "x-corral-weight",
  /** `1`: the key has a budget, and what a call may take is reserved before it begins. */
  budget: "x-corral-budget",
  /** `1`: the answer is the model's own, without the family's envelope around it. */
  bare: "x-corral-bare",
  /** How many runs of code, each begun by the one before, lead to this one; absent: 0, a caller asked for it. */
  depth: "x-corral-depth",
  /** `0`: counts and timings of the run are kept, its output is not. */
  store: "x-corral-store",
  /** `1`: its output is sent on from the run's record, which has to have it however long it is. */
  keepOutput: "x-corral-keep-output",
  /** `1`: its text is reported as it comes, though the call does not stream: somebody may follow it. */
  followed: "x-corral-followed",
  /** How often the run was tried before; the texts of two attempts are told apart by it. Absent: 0. */
  attempt: "x-corral-attempt",
  /** `1`: its answer is kept whole, for the same call sent again. */
  keepAnswer: "x-corral-keep-answer",
  /** `continue`: the run goes on where its caller's connection ends. */
  onDisconnect: "x-corral-on-disconnect",
  /** When the call came to the gateway, milliseconds since the epoch. */
  arrived: "x-corral-arrived-ms",
} as const;
