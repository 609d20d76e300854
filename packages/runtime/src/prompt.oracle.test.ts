// Ids of raw prompts and of conversations equal what transformers makes of them, through the tiny models' GGUFs.

import { loadLlama, type Llama } from "@corral/llama";
import type { ChatMessage } from "@corral/contract";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parseChatTemplate } from "./chat-template.ts";
import { BodyReader } from "./dialects/body-reader.ts";
import { detokenize } from "./prompt-calls/detokenize.ts";
import { tokenize } from "./prompt-calls/tokenize.ts";
import { preparePrompt, type PromptModel } from "./prompt.ts";
import { readOracle, tinyModel, tinyModelNames } from "./testing/tiny-models.ts";

interface TokenizerRecording {
  readonly cases: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly ids_with_special_tokens: readonly number[];
    readonly decoded: string;
    readonly decoded_skipping_special_tokens: string;
  }[];
}

interface TemplateRecording {
  readonly chat_template: string;
  readonly cases: readonly TemplateCase[];
}

interface TemplateCase {
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly add_generation_prompt: boolean;
  readonly continue_final_message?: boolean;
  readonly text?: string;
  readonly ids?: readonly number[];
  readonly error?: string;
  /** Of the error. */
  readonly message?: string;
}

/** Special tokens as the tiny models' tokenizer_config.json has them. */
const specialTokens = {
  "corral-tiny-2": { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" },
  "corral-tiny-3": { bos_token: "<|begin_of_text|>", eos_token: "<|eot_id|>" },
};

for (const name of tinyModelNames) {
  const suffix = name.replace("corral-", "");
  describe(name, () => {
    let llama: Llama;
    let model: PromptModel;
    before(async () => {
      llama = await loadLlama({ path: tinyModel(name).path });
      const { chatTemplate } = llama.info;
      assert.ok(chatTemplate !== null, "the GGUF carries the chat template");
      model = {
        vocabulary: llama.vocabulary,
        chatTemplate: parseChatTemplate(chatTemplate, specialTokens[name]),
        contextLength: 4_096,
      };
    });
    after(() => llama[Symbol.dispose]());

    test("a raw prompt has the ids that transformers gives it, the BOS token once", () => {
      const { cases } = readOracle<TokenizerRecording>(`tokenizer-${suffix}.json`);
      assert.ok(cases.length >= 100, "the recording has cases");
      const bos = llama.vocabulary.bosId;
      for (const { text, ids_with_special_tokens: recorded } of cases) {
        // A prompt that writes the BOS token itself has it more than once in transformers and once here, with a warning.
        const expected = recorded.filter((id, index) => id !== bos || recorded[index + 1] !== bos);
        assert.deepEqual(preparePrompt(model, { kind: "text", text }).ids, expected, JSON.stringify(text));
      }
    });

    test("texts become the ids of the tokenizer, and ids its texts", async () => {
      const { cases } = readOracle<TokenizerRecording>(`tokenizer-${suffix}.json`);
      const answer = (call: typeof tokenize, body: Record<string, unknown>) =>
        call(new BodyReader(body), model);
      for (const recorded of cases) {
        const { text, ids, ids_with_special_tokens: withSpecial } = recorded;
        const shown = JSON.stringify(text);
        assert.deepEqual(await answer(tokenize, { text, add_special_tokens: false }), { ids }, shown);
        assert.deepEqual(await answer(tokenize, { text }), { ids: withSpecial }, shown);
        assert.deepEqual(await answer(detokenize, { ids: withSpecial }), { text: recorded.decoded }, shown);
        assert.deepEqual(
          await answer(detokenize, { ids: withSpecial, skip_special_tokens: true }),
          { text: recorded.decoded_skipping_special_tokens },
          shown,
        );
      }
    });

    test("the GGUF carries the template that the tokenizer's configuration has", () => {
      assert.equal(
        llama.info.chatTemplate,
        readOracle<TemplateRecording>(`templates-${suffix}.json`).chat_template,
      );
    });

    test("a conversation is rendered and tokenized as by apply_chat_template, or refused with its message", () => {
      const { cases } = readOracle<TemplateRecording>(`templates-${suffix}.json`);
      assert.ok(cases.length >= 10, "the recording has cases");
      // An empty conversation is refused before the template, when the body is read.
      for (const recorded of cases) if (recorded.messages.length > 0) checkConversation(model, recorded);
    });
  });
}

function checkConversation(model: PromptModel, recorded: TemplateCase): void {
  const {
    messages,
    add_generation_prompt: addGenerationPrompt,
    continue_final_message: continueFinalMessage = false,
  } = recorded;
  const render = () => model.chatTemplate!.render(messages, { addGenerationPrompt, continueFinalMessage });
  const label = `${recorded.name}, add_generation_prompt ${addGenerationPrompt}`;
  if (recorded.error !== undefined) {
    assert.throws(render, { code: "invalid_chat", message: recorded.message }, label);
    return;
  }
  const text = render();
  assert.equal(text, recorded.text, label);
  const ids = model.vocabulary.tokenize(text, { addSpecialTokens: false, parseSpecialTokens: true });
  assert.deepEqual(ids, recorded.ids, label);
  // A call asks for a generation prompt unless the assistant spoke last, whose message it then continues.
  const endsWithAssistant = messages.at(-1)?.role === "assistant";
  const isCalls = addGenerationPrompt !== endsWithAssistant && continueFinalMessage === endsWithAssistant;
  if (isCalls && ids.length > 0)
    assert.deepEqual(preparePrompt(model, { kind: "messages", messages }).ids, recorded.ids, label);
}
