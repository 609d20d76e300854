// `npm run planted-faults`: does the suite notice? Plants one fault at a time in a copy of the checkout and runs the
// tests that should turn red. Ends with 1 where a fault stayed green. `npm run mutations` does the same to each logits
// processor.

import { plantFaults, type Fault } from "./plant-faults.ts";

const faults: readonly Fault[] = [
  {
    name: "logits processors act in the reverse order",
    file: "packages/engine/src/logits/pipeline.ts",
    text: "  return order\n",
    fault: "  return order\n    .toReversed()\n",
    tests: "packages/engine/src/logits/*.test.ts",
  },
  {
    name: "the shortlist forgets that a temperature can make unequal scores equal",
    file: "packages/engine/src/logits/selection-kernels.ts",
    text: "least - slack",
    fault: "least",
    tests: "packages/engine/src/logits/*.test.ts",
  },
  {
    name: "an unknown API key is taken for the operator's",
    file: "packages/platform/src/gateway/authenticate.ts",
    text: 'if (record === null) throw new ServingError("unauthenticated", "This API key is not known here.");',
    fault: "if (record === null) return operator;",
    tests: "packages/platform/src/gateway/authenticate.test.ts",
  },
  {
    name: "a caller that goes away does not reach the engine",
    file: "packages/runtime/src/predict.ts",
    text: '  response.once("close", leave);\n',
    fault: "",
    tests: "packages/runtime/src/replica.test.ts",
    test: "a caller that goes away frees its place",
  },
  {
    name: "a replica's counts are forgotten when it ends",
    file: "packages/platform/src/domain/deployment-statistics.ts",
    text: "ended: addStatistics(state.ended, last)",
    fault: "ended: state.ended",
    tests: "packages/platform/src/domain/*.test.ts",
  },
  {
    name: "streamed tokens are held back until the end",
    file: "packages/runtime/src/event-stream.ts",
    text: "function write(response: ServerResponse, text: string): Promise<void> {\n",
    fault: "function write(response: ServerResponse, text: string): Promise<void> {\n  response.cork();\n",
    tests: "packages/runtime/src/event-stream.test.ts",
  },
  {
    name: "a version's digest leaves the weights out",
    file: "packages/bundle/src/manifest.ts",
    text: "${canonicalJson(manifest)}",
    fault: "${canonicalJson({ ...manifest, weightsSha256: null })}",
    tests: "packages/bundle/src/*.test.ts",
  },
];

process.exitCode = plantFaults(faults) ? 0 : 1;
