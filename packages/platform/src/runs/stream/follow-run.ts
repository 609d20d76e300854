// A run's events from a place on, as they come, to its end: its text from the reports that are committed, or from its
// output where none was kept. Knows no HTTP.

import { getRun } from "../../store/runs.ts";
import type { RunRow } from "../../store/schema.ts";
import { readTextAfter, type TextPlace, type WatchedRun } from "../../store/run-streams.ts";
import type { Store } from "../../store/store.ts";
import { isTerminal } from "../run-state.ts";
import { textOfOutput } from "./output-text.ts";
import { attemptEvent, doneId, textEvents, type RunDone, type RunEventOut } from "./run-events.ts";
import { createRunWatch, type RunWatch } from "./run-watch.ts";

export interface RunStreams {
  readonly watch: RunWatch;
  /**
   * From a place on, null: from the beginning. Ends after the `done` event, when the signal is aborted, or when the run
   * is removed.
   */
  follow(
    run: Pick<RunRow, "id" | "project_id">,
    from: TextPlace | null,
    signal: AbortSignal,
  ): AsyncGenerator<RunEventOut, void>;
}

export function createRunStreams(store: Pick<Store, "db" | "pool">): RunStreams {
  const watch = createRunWatch(store);
  return {
    watch,
    follow: ({ id, project_id: projectId }, from, signal) =>
      followRun(id, { store, watch, readOutput: () => getRun(store.db, projectId, id), from, signal }),
  };
}

interface FollowOptions {
  readonly store: Pick<Store, "db" | "pool">;
  readonly watch: RunWatch;
  /** The run's output, once it has ended; null: none was kept. */
  readonly readOutput: () => Promise<Pick<RunRow, "output"> | null>;
  readonly from: TextPlace | null;
  readonly signal: AbortSignal;
}

async function* followRun(
  id: string,
  { store, watch, readOutput, from, signal }: FollowOptions,
): AsyncGenerator<RunEventOut, void> {
  let place = from;
  for (let run = await watch.now(id); run !== null && !signal.aborted; run = await watch.next(id)) {
    if (place === null) place = { attempt: run.attempt, at: 0 };
    else if (place.attempt !== run.attempt) {
      // Who waited for a queued run has seen nothing that begins anew.
      if (from !== null || place.at > 0) yield attemptEvent(run.attempt);
      place = { attempt: run.attempt, at: 0 };
    }
    const ended = isTerminal(run.status);
    while (place.at < (run.text_length ?? 0) && !signal.aborted) {
      const next = textEvents(await readTextAfter(store, id, place), place);
      yield* next.events;
      if (next.place.at === place.at) break;
      place = next.place;
    }
    if (!ended) continue;
    if ((run.text_length ?? 0) === 0) {
      const text = textOfOutput(await outputOf(readOutput));
      if (text !== null) yield* textEvents([text], place).events;
    }
    yield { name: "done", id: doneId, data: doneOf(run, place) };
    return;
  }
}

async function outputOf(readOutput: FollowOptions["readOutput"]): Promise<unknown> {
  const output = (await readOutput())?.output ?? null;
  return output === null ? null : (JSON.parse(output) as unknown);
}

function doneOf(run: WatchedRun, place: TextPlace): RunDone {
  const { prompt_tokens, cached_tokens, generated_tokens } = run;
  return {
    run_id: run.id,
    status: run.status,
    attempt: run.attempt,
    finish_reasons: run.finish_reasons,
    error: run.error,
    usage: { prompt_tokens, cached_tokens, generated_tokens },
    usage_complete: run.usage_complete,
    timings_ms: run.timings_ms,
    finished_at: run.finished_at?.toISOString() ?? null,
    text_complete: run.status === "succeeded" && place.at >= (run.text_length ?? 0),
  };
}
