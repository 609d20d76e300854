// What the catalogue says of one model. A row is data: nothing here knows where its weights lie on this machine.

import type { ModelDefaults, Precision, Quantization } from "@corral/contract";

/** Terms that whoever uses the weights has to accept. */
export interface CatalogueLicense {
  /** As the hub spells it: `llama3`. */
  readonly id: string;
  readonly url: string;
  /** One sentence of ours that says whose terms they are; the terms themselves stand at `url`. */
  readonly notice: string;
}

export type CatalogueWeights =
  /** In the checkout, under this directory of models/. */
  | { readonly kind: "built_in"; readonly directory: string }
  /** Fetched from the hub when they are asked for. */
  | {
      readonly kind: "hub";
      readonly repository: string;
      /** A branch, tag or commit. */
      readonly revision: string;
      /** One GGUF file of it; null: its safetensors. */
      readonly file: string | null;
    }
  /** Under an allowed root of the platform's machine: a GGUF file or a Hugging Face directory. */
  | { readonly kind: "path"; readonly path: string };

export interface CatalogueRow {
  readonly identifier: string;
  /** Other spellings of the identifier, in lower case. */
  readonly aliases: readonly string[];
  /** First path segments that lead here beside the identifier and its aliases. */
  readonly routes: readonly string[];
  readonly title: string;
  /** Identifiers of rows whose calls this model answers while their own weights are not there. */
  readonly standsInFor: readonly string[];
  /** Null: `default`. */
  readonly precision: Precision | null;
  /** Merged over generation_config.json, under the caller's values; by their wire names. */
  readonly defaults: ModelDefaults;
  /**
   * The model's own generation_config.json, end tokens included, for weights that have none beside them: a GGUF
   * carries none.
   */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** Jinja, used where the weights carry no template of their own; null: none. */
  readonly chatTemplate: string | null;
  readonly weights: CatalogueWeights;
  /** Null: none that has to be accepted. */
  readonly license: CatalogueLicense | null;
  /** How its matrices are rewritten unless something else is asked for; null: they stay as they are. */
  readonly quantization: Quantization | null;
  /** Most tokens of a sequence that it was trained for; null: not known. */
  readonly contextLength: number | null;
}
