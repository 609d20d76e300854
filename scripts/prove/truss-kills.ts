// `kill -9` of the platform in the middle of each step of `truss push` and `truss watch`, with the real command: the
// command that is repeated succeeds, and nothing is left of what was half done.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endingWithParent, json, startCorral, waitUntil, type Corral } from "../../e2e/harness.ts";
import { one, platformProcess } from "../../e2e/processes.ts";
import { startKillingProxy, type KillingProxy, type Moment, type Phase } from "./killing-proxy.ts";

const half: Phase = { kind: "half" };
const answered: Phase = { kind: "answered" };
const sent = (ms: number): Phase => ({ kind: "sent", ms });

const field =
  (name: string): Moment["matches"] =>
  ({ body }) =>
    body.includes(name);
const upload =
  (wanted: string, query: RegExp): Moment["matches"] =>
  ({ method, target }) =>
    method === wanted && query.test(target);

/** In the order of a push of more than one part. */
const pushMoments: readonly (Moment & { readonly name: string })[] = [
  ...steps("credentials", field("model_s3_upload_credentials"), [sent(0), sent(10), answered]),
  ...steps("begin", upload("POST", /\?uploads/), [sent(0), answered]),
  ...steps("part", upload("PUT", /partNumber=2/), [half, sent(0), sent(20), answered]),
  ...steps("complete", upload("POST", /uploadId=/), [sent(0), sent(10), answered]),
  // The archive is read, then the bundle kept, then rows are written.
  ...steps("create", field("create_model"), [0, 20, 60, 100, 150, 200, 300].map(sent)),
  ...steps("create", field("create_model"), [answered]),
];
const draftMoments = steps("draft", field("deploy_draft_truss"), [sent(20), sent(100), answered]);
const watchMoments = [
  ...steps("stage", field("stage_patch_for_draft_truss"), [sent(0), sent(10), answered]),
  ...steps("sync", field("sync_draft_truss"), [sent(0), sent(30), sent(100), sent(300), answered]),
];

function steps(name: string, matches: Moment["matches"], phases: readonly Phase[]) {
  return phases.map((phase) => ({ name: `${name}, ${wordsOf(phase)}`, matches, phase }));
}

function wordsOf(phase: Phase): string {
  if (phase.kind === "sent") return `${phase.ms} ms after it was sent`;
  return phase.kind === "half" ? "half sent" : "answered and not received";
}

interface Place extends AsyncDisposable {
  readonly proxy: KillingProxy;
  readonly corral: () => Corral;
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly directory: string;
  readonly home: string;
}

/**
 * @param truss the command's path
 * @param step only moments of this step, such as `part`; default: all
 */
export async function proveTrussKills(truss?: string, step = ""): Promise<void> {
  if (truss === undefined) {
    console.log("npm run prove -- truss-kills PATH_OF_TRUSS [STEP]");
    process.exitCode = 2;
    return;
  }
  await using place = await open();
  // Whoever ends the proof early ends its platform with it.
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const stop = (signal: NodeJS.Signals) =>
    void (async () => {
      await place[Symbol.asyncDispose]();
      process.exit(signal === "SIGINT" ? 130 : 143);
    })();
  for (const signal of signals) process.once(signal, stop);
  let failed = 0;
  const told = async (name: string, check: () => Promise<string>) => {
    const startedAt = performance.now();
    const result = await check().catch(
      (error: unknown) => `FAILED: ${error instanceof Error ? error.message : String(error)}`,
    );
    if (result.startsWith("FAILED")) failed += 1;
    console.log(
      `${name.padEnd(45)} ${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${result}`,
    );
  };
  const isWanted = ({ name }: { name: string }) => name.startsWith(step);
  let count = 0;
  const tell = async (
    moments: readonly (Moment & { readonly name: string })[],
    check: (mark: string, moment: Moment) => Promise<string>,
  ) => {
    for (const moment of moments.filter(isWanted)) {
      count += 1;
      await told(moment.name, () => check(`model ${count}`, moment));
      await retire(place, `model ${count}`).catch((error: unknown) =>
        console.log(`not retired: ${String(error)}`),
      );
    }
  };
  const isOld = await isOf2024(place, truss);
  // Those push a development deployment unless told otherwise.
  const more = isOld ? ["--publish"] : [];
  await tell(pushMoments, (mark, moment) =>
    killPush(place, truss, mark, moment, { bundleCount: count, more }),
  );
  if (isOld) {
    const drafted = { bundleCount: null, more: [] };
    await tell(draftMoments, (mark, moment) => killPush(place, truss, mark, moment, drafted));
  } else {
    await tell(draftMoments, (mark, moment) => killDraft(place, truss, mark, moment));
    await tell(watchMoments, (mark, moment) => killWatch(place, truss, mark, moment));
  }
  for (const signal of signals) process.off(signal, stop);
  console.log(`${count} moments, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

async function open(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "corral-prove-"));
  const home = join(directory, "corral");
  await mkdir(home);
  const port = await freePort();
  const proxy = await startKillingProxy(port);
  const start = () => startCorral({ home, port, quickstart: false, env: { CORRAL_URL: proxy.url } });
  let corral = await start();
  const remote = (name: string, url: string) =>
    `[${name}]\nremote_provider = baseten\napi_key = ${corral.key}\nremote_url = ${url}\n`;
  await writeFile(
    join(directory, ".trussrc"),
    remote("direct", proxy.url) + remote("proxied", "http://localhost:8000"),
  );
  return {
    proxy,
    directory,
    home,
    corral: () => corral,
    async kill() {
      const { pid } = await one(corral, platformProcess);
      process.kill(pid, "SIGKILL");
      corral.process.kill("SIGKILL");
      await once(corral.process, "exit").catch(() => undefined);
    },
    async restart() {
      corral = await start();
    },
    async [Symbol.asyncDispose]() {
      await corral.stop();
      await proxy[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function killPush(
  place: Place,
  truss: string,
  mark: string,
  moment: Moment,
  /** Null: not counted. */
  { bundleCount, more }: { readonly bundleCount: number | null; readonly more: readonly string[] },
): Promise<string> {
  const isDraft = bundleCount === null;
  const model = await writeModel(place, mark, mark, 9 << 20);
  const words = ["push", model, "--remote", "direct", ...more];
  const first = await killDuring(place, moment, () => run(place, truss, words));
  const again = await run(place, truss, words);
  if (again.code !== 0)
    throw new Error(`the repeated command ended with ${again.code}: ${again.text.slice(-300)}`);
  await requireOne(place, mark, { development: isDraft });
  await requireAnswer(place, truss, model, mark, isDraft ? [] : ["--published"]);
  const bundles = await readdir(join(place.home, "bundles"));
  if (bundleCount !== null && bundles.length !== bundleCount)
    throw new Error(`there are ${bundles.length} bundles for ${bundleCount} versions`);
  const incoming = await readdir(join(place.home, "incoming")).catch(() => []);
  if (incoming.length > 0) throw new Error(`${incoming.length} half bundles are left`);
  return first.code === 0 ? "the command itself went on; repeated, too" : "repeated";
}

/** Whether it has neither `push --watch` nor patches in two steps. */
async function isOf2024(place: Place, truss: string): Promise<boolean> {
  const { text } = await run(place, truss, ["--version"]);
  const [, minor] = /\b0\.(\d+)\./.exec(text) ?? [];
  return minor !== undefined && Number(minor) < 14;
}

async function killDraft(place: Place, truss: string, mark: string, moment: Moment): Promise<string> {
  const model = await writeModel(place, mark, mark);
  {
    await using first = watch(place, truss, ["push", model, "--watch"]);
    await withKill(place, moment);
    await first.ended(20_000);
  }
  await using second = watch(place, truss, ["push", model, "--watch"]);
  await waitUntil("it is watched", 60_000, () => second.text().includes("Watching"));
  await requireOne(place, mark, { development: true });
  await requireAnswer(place, truss, model, mark, []);
  return "repeated";
}

async function killWatch(place: Place, truss: string, mark: string, moment: Moment): Promise<string> {
  const model = await writeModel(place, mark, "first");
  {
    await using first = watch(place, truss, ["push", model, "--watch"]);
    await waitUntil("it is watched", 60_000, () => first.text().includes("Watching"));
    let isOver = false;
    const killed = withKill(place, moment).finally(() => (isOver = true));
    // It tells that it watches a little before it does.
    for (let times = 1; !isOver; times += 1) {
      await writeModel(place, mark, mark, 0, `# ${times}\n`);
      await Promise.race([killed, sleep(5_000)]);
    }
    await killed;
  }
  await using second = watch(place, truss, ["watch", model]);
  await waitUntil(`it is watched again: ${second.text()}`, 60_000, () => second.text().includes("Watching"));
  await requireAnswer(place, truss, model, mark, []);
  await requireOne(place, mark, { development: true });
  return "watched again";
}

async function killDuring<Result>(
  place: Place,
  moment: Moment,
  command: () => Promise<Result>,
): Promise<Result> {
  const killed = withKill(place, moment);
  const result = command();
  await Promise.race([killed, result.then(() => killed)]);
  return await result;
}

/** Resolves when the platform is there again. */
async function withKill({ proxy, kill, restart }: Place, moment: Moment): Promise<void> {
  const over = sleep(60_000, "never" as const, { ref: false });
  if ((await Promise.race([proxy.await(moment, kill), over])) === "never")
    throw new Error("the moment never came");
  await restart();
}

async function writeModel(
  { directory }: Place,
  name: string,
  mark: string,
  bytes = 0,
  more = "",
): Promise<string> {
  const place = join(directory, name.replaceAll(" ", "-"));
  const files: Record<string, string | Buffer> = {
    "config.yaml": `model_name: ${name}\n`,
    "model/__init__.py": "",
    "model/model.py": `class Model:\n    def predict(self, model_input):\n        return {"mark": ${JSON.stringify(mark)}}\n${more}`,
    ...(bytes > 0 ? { "data/some.bin": Buffer.alloc(bytes, name) } : {}),
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(place, path)), { recursive: true });
    await writeFile(join(place, path), content);
  }
  return place;
}

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly is_development: boolean;
}

async function modelsCalled({ corral }: Place, title: string): Promise<Listed[]> {
  const { models } = await json<{ models: Listed[] }>(await corral().request("/v1/models"));
  return models.filter(({ name }) => name === title);
}

async function deploymentsOf({ corral }: Place, model: string): Promise<Listed[]> {
  const answer = await corral().request(`/v1/models/${model}/deployments`);
  return (await json<{ deployments: Listed[] }>(answer)).deployments;
}

/** What was looked at is not loaded again after each of the kills to come. */
async function retire(place: Place, title: string): Promise<void> {
  for (const { id: model } of await modelsCalled(place, title))
    for (const { id } of await deploymentsOf(place, model))
      await place.corral().post(`/v1/models/${model}/deployments/${id}/deactivate`, {});
}

async function requireOne(place: Place, title: string, wanted: { development: boolean }): Promise<void> {
  const own = await modelsCalled(place, title);
  if (own.length !== 1) throw new Error(`there are ${own.length} models ${title}`);
  const deployments = await deploymentsOf(place, own[0]?.id ?? "");
  if (deployments.length !== 1 || deployments[0]?.is_development !== wanted.development)
    throw new Error(`it has the deployments ${JSON.stringify(deployments)}`);
}

async function requireAnswer(
  place: Place,
  truss: string,
  model: string,
  mark: string,
  words: readonly string[],
) {
  let text = "";
  await waitUntil(`${mark} answers`, 60_000, async () => {
    ({ text } = await run(place, truss, [
      "predict",
      "--target-directory",
      model,
      "-d",
      "{}",
      "--remote",
      "proxied",
      ...words,
    ]));
    return text.includes(`"${mark}"`);
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${text.slice(-300)}`);
  });
}

function environmentOf({ directory, proxy }: Place): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !/proxy/i.test(name));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    HOME: directory,
    TRUSS_NO_UPDATE_CHECK: "1",
    http_proxy: proxy.url,
    no_proxy: "127.0.0.1",
  };
}

function start(place: Place, truss: string, words: readonly string[]) {
  const [command = "", ...rest] = [...endingWithParent(), truss, ...words];
  return spawn(command, rest, {
    env: environmentOf(place),
    cwd: place.directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function run(place: Place, truss: string, words: readonly string[]) {
  const child = start(place, truss, words);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const timer = setTimeout(() => child.kill("SIGKILL"), 90_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code, text };
}

function watch(place: Place, truss: string, words: readonly string[]) {
  const child = start(place, truss, [...words, "--remote", "proxied"]);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const exited = once(child, "close");
  return {
    text: () => text,
    ended: (ms: number) => Promise.race([exited, sleep(ms, undefined, { ref: false })]),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
