// A loaded model without weights: the engine's fake one, a vocabulary of bytes and a chat template of four lines.

import { ServingError } from "@corral/contract";
import {
  createByteTokenizer,
  createFakeModel,
  type FakeModel,
  type FakeModelOptions,
} from "@corral/engine/testing";
import type { LoadedModel, LoadModel } from "../loaded-model.ts";

/** Bytes of `text`, over and over, whatever the prompt is; the place is that of the last computed token. */
export function spelling(text: string) {
  const bytes = new TextEncoder().encode(text);
  return (history: readonly number[], vocabSize: number): Float32Array => {
    const logits = new Float32Array(vocabSize);
    logits[bytes[history.length % bytes.length] ?? 0] = 10;
    return logits;
  };
}

export const fakeChatTemplate =
  "{{ bos_token }}{% for message in messages %}" +
  "{% if message.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('There is no role ' + message.role) }}{% endif %}" +
  "<header>{{ message.role }}\n{{ message.content | trim }}{% endfor %}" +
  "{% if add_generation_prompt %}<header>assistant\n{% endif %}";

export interface FakeLoadedModel extends LoadedModel {
  readonly runner: FakeModel;
  disposed: boolean;
  /** Keys of those that are loaded; a path that ends in "bad.gguf" is refused. */
  readonly adapters: ReadonlySet<string>;
}

export function createFakeLoadedModel(
  options: FakeModelOptions & {
    chatTemplate?: string | null;
    draftRunners?: ReadonlyMap<string, FakeModel>;
  } = {},
): FakeLoadedModel {
  const { chatTemplate = fakeChatTemplate, draftRunners = new Map(), ...modelOptions } = options;
  const adapters = new Set<string>();
  const model: FakeLoadedModel = {
    vocabulary: createByteTokenizer(),
    runner: createFakeModel({ logits: spelling("abcdefghij"), adapters, ...modelOptions }),
    draftRunners,
    adapters,
    loadAdapter({ key, path }) {
      if (path.endsWith("bad.gguf"))
        return Promise.reject(new ServingError("weights_unreadable", `${path} cannot be loaded: it is bad.`));
      adapters.add(key);
      return Promise.resolve({
        [Symbol.asyncDispose]() {
          adapters.delete(key);
          return Promise.resolve();
        },
      });
    },
    createExclusiveRunner: () =>
      Promise.resolve(createFakeModel({ logits: spelling("abcdefghij"), adapters, ...modelOptions })),
    chatTemplate,
    specialTokens: { bos_token: "<bos>", eos_token: "<eos>" },
    stateFormat: "fake",
    compute: {
      backend: "cpu",
      libraries: "packaged",
      devices: [],
      gpu_layers: 0,
      layer_count: 1,
      threads: 1,
    },
    disposed: false,
    [Symbol.dispose]() {
      model.disposed = true;
      model.runner[Symbol.dispose]();
    },
  };
  return model;
}

export function loadFake(model: LoadedModel): LoadModel {
  return (_config, { onProgress }) => {
    onProgress(1);
    return Promise.resolve(model);
  };
}
