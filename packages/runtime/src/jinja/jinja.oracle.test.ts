// Small templates, each about a habit of Jinja or Python, have the texts that transformers' environment gives them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readOracle } from "../testing/tiny-models.ts";
import { TemplateFailure, TemplateRefusal, TemplateSyntaxFailure } from "./failure.ts";
import { parseTemplate } from "./parser.ts";
import { runTemplate } from "./run-template.ts";

interface Recording {
  readonly now: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly cases: readonly {
    readonly template: string;
    readonly text?: string;
    /** The class of what was raised, and its message where the template raised it itself. */
    readonly error?: string;
    readonly message?: string;
  }[];
}

const { now, variables, cases } = readOracle<Recording>("jinja-snippets.json");
const given = {
  bos_token: "<s>",
  eos_token: "</s>",
  pad_token: "<pad>",
  unk_token: "<unk>",
  ...variables,
  messages: [{ role: "user", content: "Hi" }],
  tools: null,
  documents: null,
  add_generation_prompt: false,
};

function render(template: string): string {
  const options = { variables: given, now: () => new Date(now), stepLimit: 1_000_000 };
  return runTemplate(parseTemplate(template), options).text;
}

describe("a small template has the text of transformers, or fails where it fails", () => {
  assert.ok(cases.length >= 240, "the recording has cases");
  for (const { template, text, error, message } of cases) {
    test(`${error ?? "text"}: ${template.slice(0, 120)}`, () => {
      if (text !== undefined) assert.equal(render(template), text);
      else
        assert.throws(
          () => render(template),
          (thrown: Error) => failsAlike(thrown, error ?? "", message),
        );
    });
  }
});

function failsAlike(thrown: Error, error: string, message: string | undefined): boolean {
  if (message !== undefined) return thrown instanceof TemplateRefusal && thrown.message === message;
  const isSyntax = ["TemplateSyntaxError", "TemplateAssertionError"].includes(error);
  return thrown instanceof (isSyntax ? TemplateSyntaxFailure : TemplateFailure);
}
