// The models whose code is edited: each answers a probe with the edit that it is of, and streams what the model generates.

export const codeKinds = ["typescript", "python", "python-state"] as const;
/** `python`: `load` changes with every edit and so runs again; `python-state`: its object lives on. */
export type CodeKind = (typeof codeKinds)[number];

/** Files by path, the edit written into them. */
export function directoryOf(
  kind: CodeKind,
  name: string,
  model: string,
  mark: number,
): Record<string, string> {
  const config = [
    `model_name: ${name}`,
    "runtime: {predict_concurrency: 16}",
    `model_metadata: {corral: {weights: ${JSON.stringify(model)}, context_length: 2048}}`,
    "",
  ].join("\n");
  const code =
    kind === "typescript"
      ? { "model/model.ts": typescript(mark) }
      : { "model/model.py": python(mark, kind === "python") };
  return { "config.yaml": config, ...code };
}

const typescript = (mark: number) => `import { llm } from "@corral/model";
export async function predict({ probe }: { probe?: boolean }) {
  if (probe) {
    await llm.tokenize("a");
    return "mark ${mark}.";
  }
  return (async function* () {
    for await (const { text } of llm.stream({ prompt: "Once upon a time", max_new_tokens: 12, min_new_tokens: 12 }))
      if (text !== undefined) yield text;
    yield "|end";
  })();
}
`;

const python = (mark: number, loads: boolean) => `from corral import llm

class Model:
    def load(self):
        self.loaded = ${loads ? mark : 0}

    def predict(self, model_input):
        if model_input.get("probe"):
            llm.tokenize("a")
            return "mark ${mark}."
        return self.stream()

    def stream(self):
        for text in llm.stream("Once upon a time", max_new_tokens=12, min_new_tokens=12):
            yield text
        yield "|end"
`;
