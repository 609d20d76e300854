// The LoRA adapters of one loaded model: loaded and freed while no native call of the model runs, as llama.cpp keeps
// them in a list that its decodes read. Knows no plans; a context asks for the native adapter by its key.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ServingError } from "@corral/contract";
import { checkAdapter, type AdapterBase, type CheckedAdapter } from "@corral/weights";

import { callAsync } from "./abi.ts";
import type { LlamaAbi, Pointer } from "./abi-types.ts";
import { widenAdapter } from "./widen-adapter.ts";

export interface LoadAdapterOptions {
  /** A GGUF. */
  readonly path: string;
  /** What plans call it; stands for its content. */
  readonly key: string;
}

/** A loaded adapter. Disposing waits for the step that is being computed; no plan may name it any more. */
export interface LlamaAdapter extends AsyncDisposable {
  readonly key: string;
  readonly fileBytes: number;
  readonly rank: number;
}

/** A context that may have an adapter set. */
export interface AdapterUser {
  /** The adapter is about to be freed. */
  letGo(adapter: Pointer): void;
}

export interface Adapters {
  /** Null where there is none of that key. */
  find(key: string): Pointer | null;
  readonly users: Set<AdapterUser>;
  /**
   * Before a native call that reads the list of adapters: null, or what to wait for before asking again. Each null is
   * followed by one `leave`.
   */
  enter(): Promise<void> | null;
  leave(): void;
  /** Fails with `weights_missing`, `weights_unreadable`, `weights_unsupported`, or `engine_misuse` for a key that is there. */
  load(options: LoadAdapterOptions): Promise<LlamaAdapter>;
}

export interface AdapterHost {
  readonly abi: LlamaAbi;
  /** The native model. Fails after it was disposed of. */
  readonly handle: () => Pointer;
  /** Keeps the native model until the returned function is called; null: it is gone, and its adapters with it. */
  readonly hold: () => (() => void) | null;
  /** What the headers of adapters have to fit. */
  readonly readBase: () => Promise<AdapterBase>;
  /** The model computes in float32 where its file has half precision; adapters do, too. */
  readonly float32: boolean;
}

export function createAdapters({ abi, handle, hold, readBase, float32 }: AdapterHost): Adapters {
  const loaded = new Map<string, Pointer>();
  const users = new Set<AdapterUser>();
  let base: AdapterBase | null = null;
  let callCount = 0;
  /** A change that is under way or waits; never rejects. */
  let changing: Promise<void> | null = null;
  let noCalls: (() => void) | null = null;

  function leave(): void {
    callCount -= 1;
    if (callCount === 0) noCalls?.();
  }

  /** Runs while no call that reads the list does, one change at a time. Null: the model is gone. */
  async function change<Result>(work: () => Promise<Result>): Promise<Result | null> {
    while (changing !== null) await changing;
    const release = hold();
    if (release === null) return null;
    const done = Promise.withResolvers<void>();
    changing = done.promise;
    try {
      if (callCount > 0) await new Promise<void>((resolve) => (noCalls = resolve));
      noCalls = null;
      return await work();
    } finally {
      release();
      changing = null;
      done.resolve();
    }
  }

  async function loadChecked(checked: CheckedAdapter, key: string): Promise<LlamaAdapter> {
    const { path, fileBytes, rank } = checked;
    const adapter = await change(async () => {
      if (loaded.has(key)) throw new ServingError("engine_misuse", `There is an adapter ${key} already.`);
      const address = await callAsync(abi.llama_adapter_lora_init, handle(), path);
      if (address !== null) loaded.set(key, address);
      return address;
    });
    if (adapter === null) {
      throw new ServingError(
        "weights_unreadable",
        `llama.cpp refuses the adapter ${path}: its data do not fit its header, or memory is short.`,
      );
    }
    // Its address tells nothing: a later adapter may have the same.
    let isFreed = false;
    return {
      key,
      fileBytes,
      rank,
      async [Symbol.asyncDispose]() {
        if (isFreed) return;
        isFreed = true;
        loaded.delete(key);
        await change(async () => {
          for (const user of users) user.letGo(adapter);
          await callAsync(abi.llama_adapter_lora_free, adapter);
        });
      },
    };
  }

  return {
    users,
    find: (key) => loaded.get(key) ?? null,
    enter() {
      if (changing !== null) return changing;
      callCount += 1;
      return null;
    },
    leave,
    async load({ path, key }) {
      // Fails here already where the model was disposed of.
      handle();
      base ??= await readBase();
      const checked = await checkAdapter(path, base);
      const isHalf = checked.types.some((type) => type === "F16" || type === "BF16");
      if (!float32 || !isHalf) return await loadChecked(checked, key);
      // As with the model's own weights: half precision would round what it is multiplied with.
      const directory = mkdtempSync(join(tmpdir(), "corral-adapter-"));
      try {
        const wide = join(directory, "float32.gguf");
        // Not by libuv's pool, whose thread may be in a step.
        writeFileSync(wide, await widenAdapter(readFileSync(path)));
        return await loadChecked({ ...checked, path: wide }, key);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}
