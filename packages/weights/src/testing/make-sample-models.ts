// `node packages/weights/src/testing/make-sample-models.ts DIRECTORY`: makes the sources of conversion that the tests
// use, for scripts/oracle/record_conversion.py, and prints what is to be done with each as JSON.

import { makeSampleModel } from "./sample-model.ts";
import { sampleModels } from "./sample-models.ts";
import { definitions } from "./sample-tokenizers.ts";
import { makeSampleAdapter, sampleAdapters } from "./sample-adapters.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("give a directory");
const models = sampleModels.map((model) => ({
  kind: "model",
  name: model.name,
  output_type: model.outputType,
  pre: model.pre,
  path: makeSampleModel(model, directory),
}));
const adapters = sampleAdapters.map((adapter) => {
  const { path, base } = makeSampleAdapter(adapter, directory);
  return { kind: "adapter", name: adapter.name, output_type: adapter.outputType, pre: null, path, base };
});
process.stdout.write(`${JSON.stringify({ samples: [...models, ...adapters], definitions })}\n`);
