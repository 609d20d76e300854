// `npm run bench:reload`: from saving an edit to the first answer of the new code, under load, with a model in memory.
// Counts what must be zero: loads of the weights, streams that broke off, calls that failed.

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startCorral, startWatch, type Corral } from "../e2e/harness.ts";
import { benchHome } from "../scripts/corral-home.ts";
import { cpuUseBetween, describeCommit, describeMachine, readCpuTimes } from "./machine.ts";
import { codeKinds, directoryOf, type CodeKind } from "./reload-code.ts";
import { startLoad } from "./reload-load.ts";

const { values } = parseArgs({
  options: {
    kinds: { type: "string", default: codeKinds.join(",") },
    edits: { type: "string", default: "100" },
    callers: { type: "string", default: "2" },
    model: { type: "string", default: join(benchHome(), "models", "1b-q4_0-1.gguf") },
    save: { type: "boolean", default: false },
  },
});
const kinds = values.kinds.split(",").map((given) => {
  const kind = codeKinds.find((known) => known === given);
  if (kind === undefined) throw new Error(`--kinds has ${given}; there are ${codeKinds.join(", ")}`);
  return kind;
});
const model = resolve(values.model);
/** Between two edits; people take longer. */
const pauseMs = 1_000;
/** Of one edit: more is no reload. */
const patienceMs = 60_000;

const machine = describeMachine();
const folder = mkdtempSync(join(tmpdir(), "corral-reload-"));
const corral = await startCorral({ quickstart: false, env: { CORRAL_MODEL_ROOTS: dirname(model) } });
try {
  for (const kind of kinds) {
    const before = readCpuTimes(process.pid, process.pid);
    const { samplesMs, ...figures } = await measure(kind, corral);
    const { foreignCores } = cpuUseBetween(before, readCpuTimes(process.pid, process.pid));
    const result = { ...figures, foreign_cores: foreignCores };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    if (values.save) saveResult(kind, { ...result, samples_ms: samplesMs });
  }
} finally {
  await corral[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(kind: CodeKind, { url, key }: Corral) {
  const directory = join(folder, kind);
  const name = `reload-${kind}`;
  const write = (mark: number) => {
    for (const [path, text] of Object.entries(directoryOf(kind, name, model, mark)))
      save(directory, path, text);
  };
  write(0);
  const watch = startWatch({ url, key }, directory);
  await watch.event("active", 5 * patienceMs);
  const replicas = async () => {
    const response = await corral.request(`/api/v1/deployments/${name}-dev/replicas`);
    return ((await response.json()) as { items: { id: string }[] }).items.map(({ id }) => id).join();
  };
  const before = await replicas();
  const load = startLoad({ url, key, model: name, callers: Number(values.callers) });
  const millis: number[] = [];
  const patchMillis: number[] = [];
  const reloads: Record<string, number> = {};
  let probesFailed = 0;
  for (let mark = 1; mark <= Number(values.edits); mark += 1) {
    const savedAt = performance.now();
    write(mark);
    for (;;) {
      const response = await corral.post(`/models/${name}/predict`, { probe: true });
      const text = await response.text();
      if (response.status !== 200) probesFailed += 1;
      else if (text.includes(`mark ${mark}.`)) break;
      if (performance.now() - savedAt > patienceMs) throw new Error(`edit ${mark} of ${kind}: ${text}`);
    }
    millis.push(performance.now() - savedAt);
    const patch = await watch.event("patch", patienceMs);
    patchMillis.push(Number(patch["ms"]));
    const how = String(patch["reload"] ?? patch["kind"]);
    reloads[how] = (reloads[how] ?? 0) + 1;
    await sleep(pauseMs);
  }
  const { streams, brokenOff, failed } = await load.stop();
  const after = await replicas();
  await watch.stop();
  await corral.request(`/api/v1/deployments/${name}-dev`, { method: "DELETE" });
  return {
    kind,
    edits: millis.length,
    median_ms: quantile(millis, 0.5),
    p90_ms: quantile(millis, 0.9),
    max_ms: quantile(millis, 1),
    patch_median_ms: quantile(patchMillis, 0.5),
    reloads,
    weights_loaded_again: before === after ? 0 : 1,
    streams,
    streams_broken_off: brokenOff,
    calls_failed: failed + probesFailed,
    samplesMs: millis.map(Math.round),
  };
}

/** One file a kind: each may be measured again by itself. */
function saveResult(kind: CodeKind, result: object): void {
  const place = fileURLToPath(new URL(`results/reload-${kind}.json`, import.meta.url));
  const about = {
    bench: "reload",
    ...describeCommit(fileURLToPath(new URL("..", import.meta.url))),
    machine,
    node: process.version,
    model: basename(model),
    callers: Number(values.callers),
  };
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, `${JSON.stringify({ ...about, result }, null, 2)}\n`);
}

/** As editors save. */
function save(directory: string, path: string, text: string): void {
  const place = join(directory, path);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(`${place}.tmp`, text);
  renameSync(`${place}.tmp`, place);
}

function quantile(sorted: readonly number[], part: number): number {
  const list = sorted.toSorted((a, b) => a - b);
  return Math.round(list[Math.min(list.length - 1, Math.floor(list.length * part))] ?? NaN);
}
