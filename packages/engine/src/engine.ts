// The engine: continuous batching over token ids. Owns the loop and the generations that are under way; the
// decisions are the scheduler's and the strategies'. Knows no HTTP, no native code and no prompt as text.

import { asServingError, ServingError, type IntegrityChecks } from "@corral/contract";
import { createActiveEvaluation, type ActiveEvaluation } from "./active-evaluation.ts";
import { createActiveGeneration, type ActiveGeneration } from "./active-generation.ts";
import { createMonotonicClock, type Clock } from "./clock.ts";
import { createDraftModel } from "./draft-runner.ts";
import { decodeStep, type DecodeMeans } from "./decode-step.ts";
import type { EvaluationHandle, EvaluationRequest } from "./evaluation.ts";
import { createGenerationStatistics } from "./generation-statistics.ts";
import type {
  Engine,
  EngineLoad,
  GenerationHandle,
  GenerationRequest,
  PromptRequest,
  SubmitOptions,
} from "./generation.ts";
import type { GroupEnd, GroupSpec } from "./group.ts";
import { createInbox } from "./inbox.ts";
import type { ModelRunner } from "./model-runner.ts";
import type { PrefixStore } from "./prefix-store.ts";
import { createRecordedBudget, type RecordedBudget } from "./recorded-budget.ts";
import type { StepPlan } from "./scheduler/step-plan.ts";
import type { ScheduledStep } from "./scheduler/scheduled-step.ts";
import { chooseSeed } from "./seed.ts";
import type { ScheduleEvent } from "./scheduler/schedule-event.ts";
import { createScheduler, type Scheduler } from "./scheduler/scheduler.ts";
import { createStepTimes, type StepTimes } from "./step-times.ts";
import {
  createStrategy,
  createStrategyWorkspace,
  createTextEvaluation,
  strategyNeeds,
} from "./strategies/create-strategy.ts";
import type { DecodingStrategy } from "./strategies/strategy.ts";
import { createStrategySet } from "./strategies/strategy-set.ts";
import { createEvaluationStrategy } from "./strategies/text-evaluation.ts";
import type { GenerationSettings } from "./valid-generation.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface EngineOptions {
  readonly runner: ModelRunner;
  readonly vocabulary: Vocabulary;
  /** Runners of smaller models of the same vocabulary, by the names that generations call them; default: none. */
  readonly draftRunners?: ReadonlyMap<string, ModelRunner>;
  /** Default: the system's, made monotonic. */
  readonly clock?: Clock;
  /** Seeds for generations that name none, in `[0, 2^53 - 1]`. Default: the platform's secure source. */
  readonly chooseSeed?: () => number;
  /** Most tokens of one step; default 512, at most the runner's batch. Bounds how long a long prompt delays the others. */
  readonly stepTokenBudget?: number;
  /** By how much prompts may lengthen a step in which others get their next token; default 500. */
  readonly maxStepMs?: number;
  /** Whether what is computed is kept and shared; default true. */
  readonly sharesPrefixes?: boolean;
  /** One generation at a time, nothing shared, prompts cut alike: for deterministic ones. Default false. */
  readonly isExclusive?: boolean;
  /** Where prefixes survive eviction and the end of the engine; null: nowhere. Default null. */
  readonly prefixStore?: PrefixStore | null;
  /** After so long without work kept prefixes are saved, and the bookkeeping is checked; default 1000. */
  readonly quietMs?: number;
  /** When to check that slots, cells and prefixes agree, and to fail where they do not. Default: never. */
  readonly integrityChecks?: IntegrityChecks;
  /** Most bytes of scores that are recorded for all that is under way together; default 256 MiB. */
  readonly maxRecordedBytes?: number;
  /** Generations that may wait; default 64. */
  readonly maxWaitingGroupCount?: number;
}

/** An engine over one model. It holds the runner's slots alone; disposing the runner stays with the caller. */
export function createEngine(options: EngineOptions): Engine {
  return new TextEngine(options);
}

/** What the scheduler is told beside whose it is. */
type GroupNeeds = Pick<GroupSpec, "contexts" | "outputs" | "slotCount" | "cellCount" | "hasPlace">;

class TextEngine implements Engine {
  readonly #runner: ModelRunner;
  readonly #vocabulary: Vocabulary;
  readonly #clock: Clock;
  readonly #chooseSeed: () => number;
  readonly #slotCount: number;
  readonly #scheduler: Scheduler;
  readonly #strategies = createStrategySet();
  readonly #inbox = createInbox();
  readonly #integrityChecks: IntegrityChecks;
  readonly #means: DecodeMeans;
  /** Null where a quiet engine has nothing to check and nowhere to save. */
  readonly #firstQuietMs: number | null;
  /** How long to rest before that; null: until something else is to be done. */
  #quietMs: number | null;
  readonly #workspace;
  readonly #recorded: RecordedBudget;
  readonly #generations = new Map<string, ActiveGeneration | ActiveEvaluation>();
  readonly #statistics = createGenerationStatistics();
  readonly #times: StepTimes;
  #isStopping = false;
  #loop: Promise<void> | null = null;

  constructor(options: EngineOptions) {
    const { limits } = options.runner;
    const stepTokenBudget = Math.min(options.stepTokenBudget ?? 512, limits.maxBatchTokenCount);
    this.#runner = options.runner;
    this.#vocabulary = options.vocabulary;
    this.#clock = options.clock ?? createMonotonicClock();
    this.#times = createStepTimes(this.#clock);
    this.#chooseSeed = options.chooseSeed ?? chooseSeed;
    this.#integrityChecks = options.integrityChecks ?? "never";
    const store = options.prefixStore ?? null;
    const decode = (plan: StepPlan) => this.#times.decoding(this.#runner.decode(plan));
    this.#means = { runner: options.runner, decode, store, clock: this.#clock };
    const rests = store !== null || this.#integrityChecks !== "never";
    this.#firstQuietMs = rests ? (options.quietMs ?? 1_000) : null;
    this.#quietMs = this.#firstQuietMs;
    this.#slotCount = Math.min(limits.slotCount, stepTokenBudget);
    this.#recorded = createRecordedBudget(options.maxRecordedBytes ?? 256 * 2 ** 20, limits.vocabSize);
    const stepRowBudget = Math.min(limits.maxRowCount, stepTokenBudget);
    const draftModels = new Map(
      [...(options.draftRunners ?? [])].map(([name, runner]) => [
        name,
        createDraftModel(runner, this.#clock),
      ]),
    );
    this.#workspace = createStrategyWorkspace(
      limits.vocabSize,
      options.vocabulary,
      stepRowBudget,
      draftModels,
    );
    this.#scheduler = createScheduler({
      slotCount: this.#slotCount,
      cellCount: limits.cellCount,
      stepTokenBudget,
      stepRowBudget,
      maxStepMs: options.maxStepMs ?? 500,
      sharesPrefixes: options.isExclusive === true ? false : (options.sharesPrefixes ?? true),
      isExclusive: options.isExclusive ?? false,
      storedPrefixes: store?.entries ?? null,
      maxWaitingGroupCount: options.maxWaitingGroupCount ?? 64,
    });
  }

  submit(request: GenerationRequest, { signal }: SubmitOptions = {}): GenerationHandle {
    const { id, promptIds, generation, promptIndex = 0, hasPlace = false } = request;
    if (promptIds.length !== generation.promptTokenCount) {
      throw new ServingError(
        "engine_misuse",
        `The generation was resolved for a prompt of ${generation.promptTokenCount} tokens, not ${promptIds.length}.`,
      );
    }
    checkNegativePrompt(generation, this.#runner.limits.contextLength);
    this.#recorded.check(generation, hasPlace);
    const nowMs = this.#clock.now();
    const seed = generation.seed ?? request.seed ?? this.#chooseSeed();
    const abort = () => this.#end(id, aborted);
    // Made before the scheduler has it: what cannot be begun must not wait there.
    const active = createActiveGeneration(request, this.#vocabulary, seed, nowMs, abort);
    const strategy = createStrategy(generation, promptIds, seed, promptIndex, this.#workspace);
    this.#enqueue(request, { hasPlace, ...strategyNeeds(generation, promptIds) }, nowMs);
    this.#recorded.take(id, generation);
    this.#begin(request, active, strategy, nowMs);
    this.#listen(signal, active.handle);
    return active.handle;
  }

  evaluate(request: EvaluationRequest, { signal }: SubmitOptions = {}): EvaluationHandle {
    const { id, promptIds, evaluation, hasPlace = false } = request;
    const { contextLength } = this.#runner.limits;
    if (promptIds.length > contextLength) {
      const detail = `The text has ${promptIds.length} tokens and the model's context is ${contextLength} tokens.`;
      throw new ServingError("prompt_too_long", detail);
    }
    const textEvaluation = createTextEvaluation(evaluation, promptIds, this.#workspace);
    const { context, outputs } = textEvaluation;
    const needs = { contexts: [context], outputs, slotCount: 1, cellCount: context.length, hasPlace };
    const nowMs = this.#clock.now();
    const active = createActiveEvaluation(request, textEvaluation, nowMs, () => this.#end(id, aborted));
    const strategy = createEvaluationStrategy(textEvaluation);
    this.#enqueue(request, needs, nowMs);
    this.#begin(request, active, strategy, nowMs);
    this.#listen(signal, active.handle);
    return active.handle;
  }

  /** Gives the group to the scheduler, or throws why it may not be. */
  #enqueue(request: PromptRequest, needs: GroupNeeds, nowMs: number): void {
    const { id, owner, priority, deadlineAtMs } = request;
    const { weight = 1, queueDeadlineAtMs = null, adapter = null } = request;
    const namespace = namespaceOf(request);
    if (this.#isStopping) throw new ServingError("shutting_down", "The engine takes nothing new.");
    // The scheduler may be done with an id whose end is not published yet.
    if (this.#generations.has(id)) {
      throw new ServingError("engine_misuse", `Something with the id ${id} is under way.`);
    }
    const spec = {
      id,
      owner,
      weight,
      priority,
      deadlineAtMs,
      queueDeadlineAtMs,
      namespace,
      adapter,
      ...needs,
    };
    const answer = this.#scheduler.submit(spec, nowMs);
    if (answer.kind === "accepted") return;
    const { code, detail, retryAfterSeconds } = answer;
    throw new ServingError(code, detail, retryAfterSeconds === null ? {} : { retryAfterSeconds });
  }

  /** What was given to the scheduler gets its strategy and its place among what is under way. */
  #begin(
    request: PromptRequest,
    active: ActiveGeneration | ActiveEvaluation,
    strategy: DecodingStrategy,
    nowMs: number,
  ): void {
    this.#strategies.add(request.id, strategy);
    this.#generations.set(request.id, active);
    this.#statistics.begin(request, nowMs);
    this.#inbox.notify();
  }

  load(): EngineLoad {
    const { cellCount } = this.#runner.limits;
    const generations = this.#statistics.read();
    return {
      ...this.#scheduler.load(),
      ...this.#times.read(),
      ...this.#workspace.draftCounts.read(),
      cellCount,
      slotCount: this.#slotCount,
      generations,
    };
  }

  run(): Promise<void> {
    this.#loop ??= this.#steps().catch((cause: unknown) => this.#fail(cause));
    return this.#loop;
  }

  async stop({ drain }: { readonly drain: boolean }): Promise<void> {
    this.#isStopping = true;
    if (!drain) for (const id of this.#generations.keys()) this.#end(id, shutDown);
    this.#inbox.notify();
    await this.run();
  }

  async #steps(): Promise<void> {
    while (!(this.#isStopping && this.#scheduler.isIdle)) {
      const plan = this.#scheduler.plan(this.#clock.now());
      if (plan.isEmpty) {
        await this.#rest();
        continue;
      }
      await this.#step(plan);
    }
    await this.#saveKeptPrefixes();
  }

  async #step(plan: ScheduledStep): Promise<void> {
    const decoded = await decodeStep(this.#means, plan);
    const chosen = this.#strategies.choose(plan, decoded, this.#clock.now());
    // A promise waits for a draft model, whose time is none of the step's.
    const sinceMs = this.#clock.now();
    const outcomes = chosen instanceof Promise ? await this.#times.decoding(chosen) : chosen;
    const draftedMs = chosen instanceof Promise ? this.#clock.now() - sinceMs : 0;
    this.#publish(this.#scheduler.commit(plan, outcomes, decoded.moves, draftedMs));
    this.#checkIntegrity("step");
  }

  /** Until there is something to do; when it has been quiet for a while, a check and saving a kept prefix are. */
  async #rest(): Promise<void> {
    const hasChanged = await this.#times.idling(this.#inbox.next(this.#quietMs ?? undefined));
    if (hasChanged) {
      this.#quietMs = this.#firstQuietMs;
      return;
    }
    this.#checkIntegrity("idle");
    this.#quietMs = this.#scheduler.saveKeptPrefix() ? 0 : null;
  }

  /** What others would have to compute again after a restart; as far as it goes within the time for it. */
  async #saveKeptPrefixes(): Promise<void> {
    const endMs = this.#clock.now() + longestFinalSaveMs;
    while (this.#clock.now() < endMs && this.#scheduler.saveKeptPrefix())
      await this.#step(this.#scheduler.plan(this.#clock.now()));
  }

  #checkIntegrity(moment: "idle" | "step"): void {
    if (this.#integrityChecks === "never" || (moment === "step" && this.#integrityChecks === "idle")) return;
    const problems = this.#scheduler.integrity();
    if (problems.length > 0) throw new Error(`The scheduler's state is broken: ${problems.join(" ")}`);
  }

  #publish(events: readonly ScheduleEvent[]): void {
    const nowMs = this.#clock.now();
    for (const event of events) {
      this.#generations.get(event.group)?.take(event, nowMs);
      this.#statistics.take(event, nowMs);
      if (event.kind === "ended") {
        this.#generations.delete(event.group);
        this.#recorded.give(event.group);
        this.#strategies.delete(event.group);
      }
    }
  }

  #end(id: string, end: GroupEnd): void {
    if (this.#scheduler.end(id, end)) this.#inbox.notify();
  }

  #listen(signal: AbortSignal | undefined, handle: GenerationHandle | EvaluationHandle): void {
    if (signal === undefined) return;
    if (signal.aborted) return handle.abort();
    const abort = () => handle.abort();
    signal.addEventListener("abort", abort, { once: true });
    void handle.result.then(() => signal.removeEventListener("abort", abort));
  }

  /** An error that is not of one step: nothing more can be computed, and nobody may be left waiting. */
  #fail(cause: unknown): never {
    this.#isStopping = true;
    const { code, message } = asServingError(cause);
    const nowMs = this.#clock.now();
    for (const [group, active] of this.#generations) {
      active.take({ kind: "ended", group, end: { kind: "failed", code, detail: message, cause } }, nowMs);
    }
    this.#generations.clear();
    throw cause;
  }
}

/** What is computed with an adapter is nothing to those without it, or with another one. */
function namespaceOf({ namespace = "", adapter = null }: PromptRequest): string {
  return adapter === null ? namespace : `${namespace} adapter ${adapter}`;
}

/** It is followed by the same new tokens as the prompt, in a context of the same length. */
function checkNegativePrompt(generation: GenerationSettings, contextLength: number): void {
  const { guidance, maxLength, promptTokenCount } = generation;
  const newTokenCount = maxLength - promptTokenCount;
  const most = contextLength - newTokenCount;
  if (guidance === null || guidance.negativePromptIds.length <= most) return;
  throw new ServingError(
    "prompt_too_long",
    `The negative prompt has ${guidance.negativePromptIds.length} tokens; beside ${newTokenCount} new ones the ` +
      `context holds ${most}. Shorten it, or ask for fewer new tokens.`,
  );
}

/** The process that waits for the engine's end has its own patience. */
const longestFinalSaveMs = 5_000;

const aborted: GroupEnd = { kind: "failed", code: "aborted", detail: "The generation was aborted." };
const shutDown: GroupEnd = {
  kind: "failed",
  code: "shutting_down",
  detail: "The engine was stopped before the generation was done.",
};
