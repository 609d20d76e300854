// A model directory and its development deployment kept equal: what there is to do at the beginning, and every change
// after that, one patch at a time. Used by `watch` and `push --watch`.

import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { diffFiles as DiffFilesFunction } from "@corral/bundle";
import { isServingError, type Deployment, type PatchAnswer } from "@corral/contract";
import { UnreachableError, allOf } from "@corral/client";
import { textOption, type Context, type ExitStatus, type Options } from "../command.ts";
import { explain } from "../explain.ts";
import { inspectForPush, pushBundle, type InspectedModel } from "../push-bundle.ts";
import { printable } from "../table.ts";
import { waitUntilActive } from "../wait-active.ts";
import { describePatch, patchEvent } from "./describe-patch.ts";
import { followLogs } from "./follow-logs.ts";
import { createLocalFiles, type LocalFile, type ReadLocalFiles } from "./local-files.ts";
import { gatheredFrom, watchTree } from "./watch-tree.ts";

type DiffFiles = typeof DiffFilesFunction;

export const watchOptions = [
  {
    flags: "--restart",
    summary: "run load again for every change, also where a Python object could keep its state",
  },
] as const;

const retryMs = 500;
/** A first load may take long, as may a model's packages. */
const startMs = 30 * 60_000;

/** Until it is interrupted. */
export async function watchDirectory(
  context: Context,
  directory: string,
  options: Options,
): Promise<ExitStatus> {
  const { signal } = context;
  const { diffFiles } = await import("@corral/bundle");
  const readLocalFiles = createLocalFiles();
  let besides: readonly string[] = [];
  const tree = watchTree({ directory, besides: () => besides, signal });
  const session = new Session(context, directory, options, readLocalFiles, diffFiles);
  try {
    await tree.follow();
    let found = await inspectForPush(context, directory, textOption(options, "name"));
    await session.begin(found);
    for (;;) {
      besides = gatheredFrom(directory, found.bundle);
      await tree.follow();
      found = (await session.keepEqual(found)) ?? found;
      await tree.changed();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    tree.close();
    session.close();
  }
}

class Session {
  readonly #context: Context;
  readonly #directory: string;
  readonly #options: Options;
  readonly #readLocalFiles: ReadLocalFiles;
  readonly #diffFiles: DiffFiles;
  readonly #logs = new AbortController();
  #deployment: Deployment | null = null;
  /** What the platform had after the last patch; null: to be asked for. */
  #remote: { readonly digest: string; readonly files: readonly RemoteFile[] } | null = null;
  /** What was refused: sent again only once something changes. */
  #refused: string | null = null;
  /** A mistake of the directory that was told: once is enough. */
  #mistake: string | null = null;
  #isAway = false;

  constructor(
    context: Context,
    directory: string,
    options: Options,
    readLocalFiles: ReadLocalFiles,
    diffFiles: DiffFiles,
  ) {
    this.#context = context;
    this.#directory = directory;
    this.#options = options;
    this.#readLocalFiles = readLocalFiles;
    this.#diffFiles = diffFiles;
  }

  /** Finds the model's development deployment, or makes it. */
  async begin(found: InspectedModel): Promise<void> {
    const { client, signal } = { client: this.#context.client(), signal: this.#context.signal };
    for await (const deployment of allOf(client.deployments.list, { signal })) {
      if (deployment.development && deployment.model_name === found.model) this.#deployment = deployment;
    }
    if (this.#deployment === null) await this.#push(found);
    const deployment = this.#known();
    this.#say(
      { event: "watching", deployment: deployment.id, name: deployment.name },
      () => `Watching ${this.#directory} for ${deployment.name} (${deployment.id}); Ctrl-C ends it.`,
    );
    void followLogs({
      client,
      deployment: deployment.id,
      signal: AbortSignal.any([signal, this.#logs.signal]),
      onLine: ({ at, line }) => this.#say({ event: "log", at, line }, () => `${at} ${printable(line)}`),
    });
  }

  close(): void {
    this.#logs.abort();
  }

  /** Looks until there is nothing to do. Null: the directory is no bundle just now. */
  async keepEqual(before: InspectedModel): Promise<InspectedModel | null> {
    const { signal } = this.#context;
    for (;;) {
      signal.throwIfAborted();
      try {
        const found = await this.#inspect(before);
        if (found === null) return null;
        if (await this.#sync(found)) return found;
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
        this.#away(error);
        this.#remote = null;
        await sleep(retryMs, undefined, { signal });
      }
    }
  }

  /**
   * Mistakes of the directory are told once, and then it is waited for the next change. Those of its syntax are the
   * platform's to tell, which has a process ready for it.
   */
  async #inspect({ model }: InspectedModel): Promise<InspectedModel | null> {
    const { inspectBundle } = await import("@corral/bundle");
    try {
      const bundle = await inspectBundle(this.#directory, { gather: true, syntax: null });
      this.#mistake = null;
      return { bundle, model };
    } catch (error) {
      // A file that an editor has just taken away is one, too.
      const text = explain(error);
      if (text !== this.#mistake) this.#refuse(error, text);
      this.#mistake = text;
      return null;
    }
  }

  /** Whether there is nothing left to do. */
  async #sync(found: InspectedModel): Promise<boolean> {
    const seenAt = performance.now();
    const { signal } = this.#context;
    const client = this.#context.client();
    const { id } = this.#known();
    this.#remote ??= await client.deployments.files(id, { signal });
    this.#back();
    let local: LocalFile[];
    try {
      local = await this.#readLocalFiles(this.#directory, found.bundle);
    } catch {
      return false;
    }
    const { changed, removed } = this.#diffFiles(this.#remote.files, local);
    if (changed.length + removed.length === 0) {
      this.#refused = null;
      return true;
    }
    const wanted = JSON.stringify([this.#remote.digest, changed, removed]);
    if (this.#refused === wanted) return true;
    const sources = new Map(local.map((file) => [file.path, file]));
    const contents = await this.#read(
      changed.map(({ path }) => path),
      sources,
    );
    // It changed again: the next look sees it whole.
    if (contents === null) return false;
    let answer: PatchAnswer;
    try {
      answer = await client.deployments.patch(
        id,
        { base: this.#remote.digest, changed: contents, removed: [...removed], keep_state: !this.#restarts },
        { signal },
      );
    } catch (error) {
      if (isServingError(error) && error.code === "version_moved") {
        this.#remote = null;
        return false;
      }
      if (isServingError(error) && error.code === "body_too_large")
        return await this.#pushOnce(found, wanted);
      return this.#refuseBundle(error, wanted);
    }
    const sent = { changed: changed.map(({ path }) => path), removed, ms: performance.now() - seenAt };
    this.#say(patchEvent(sent, answer), () => describePatch(sent, answer));
    if (answer.kind === "refused") this.#refused = wanted;
    if (answer.kind === "needs_full_push") return await this.#pushOnce(found, wanted);
    if (answer.kind === "applied") {
      this.#refused = null;
      this.#remote = { digest: answer.digest, files: local };
      if (answer.reload === "stored") await this.#waitUntilActive();
    }
    return true;
  }

  /** Null where one is not what it was. */
  async #read(paths: readonly string[], sources: ReadonlyMap<string, LocalFile>) {
    const { contentOf } = await import("@corral/bundle");
    const { createHash } = await import("node:crypto");
    const contents: { path: string; content: string }[] = [];
    for (const path of paths) {
      const file = sources.get(path);
      if (file === undefined) return null;
      const content = await readFile(contentOf(this.#directory, file)).catch(() => null);
      if (content === null) return null;
      if (createHash("sha256").update(content).digest("hex") !== file.sha256) return null;
      contents.push({ path, content: content.toString("base64") });
    }
    return contents;
  }

  /** As `#push`; a directory that is refused is not sent again before something changes. */
  async #pushOnce(found: InspectedModel, wanted: string): Promise<true> {
    try {
      return await this.#push(found);
    } catch (error) {
      return this.#refuseBundle(error, wanted);
    }
  }

  #refuseBundle(error: unknown, wanted: string): true {
    if (!isServingError(error) || error.code !== "invalid_bundle") throw error;
    this.#refused = wanted;
    this.#refuse(error, explain(error));
    return true;
  }

  /** The whole directory, for what no patch can change. */
  async #push({ bundle, model }: InspectedModel): Promise<true> {
    const { signal } = this.#context;
    const { version } = await pushBundle(this.#context, this.#directory, bundle, model);
    this.#deployment = await this.#context
      .client()
      .deployments.create({ version_id: version.id, development: true }, { signal });
    this.#remote = null;
    await this.#waitUntilActive();
    return true;
  }

  /** One that cannot start is told, and the next edit may help it. */
  async #waitUntilActive(): Promise<void> {
    const client = this.#context.client();
    try {
      const current = await client.deployments.get(this.#known().id, { signal: this.#context.signal });
      this.#deployment = await waitUntilActive(this.#context, current, startMs);
      this.#say(
        { event: "active", deployment: this.#deployment.id },
        () => `${this.#known().name} is active`,
      );
    } catch (error) {
      if (!isServingError(error) || error.code !== "deployment_failed") throw error;
      this.#refuse(error, error.message);
    }
  }

  #known(): Deployment {
    if (this.#deployment === null) throw new TypeError("There is no deployment yet.");
    return this.#deployment;
  }

  get #restarts(): boolean {
    return this.#options["restart"] === true;
  }

  #refuse(error: unknown, text: string): void {
    const code = isServingError(error) ? error.code : "failure";
    this.#say({ event: "error", code, message: text }, () => text);
  }

  #away(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    const message = error instanceof Error ? error.message : String(error);
    this.#say({ event: "waiting", message }, () => `Waiting: ${message}`);
  }

  #back(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#say({ event: "connected" }, () => "The platform answers again.");
  }

  #say(event: object, text: () => string): void {
    const { format } = this.#context;
    this.#context.write(`${format === "json" ? JSON.stringify(event) : text()}\n`);
  }
}

type RemoteFile = { readonly path: string; readonly size: number; readonly sha256: string };

/** The platform is away, restarts, or has the model not loaded yet. */
function isPassing(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  return isServingError(error) && [429, 502, 503, 504].includes(error.status);
}
