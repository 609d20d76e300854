// Conversations rendered with the templates of 70 models are those that transformers renders, byte for byte.

import type { ChatMessage, JsonObject } from "@corral/contract";
import { isServingError } from "@corral/contract";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { parseChatTemplate, type ChatTemplate } from "./chat-template.ts";
import { llamaTemplates } from "./testing/llama-templates.ts";
import { parseWithFloats } from "./written-floats.ts";

interface Chat {
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly JsonObject[];
  readonly documents?: readonly JsonObject[];
  readonly kwargs?: JsonObject;
  readonly add_generation_prompt?: boolean;
  readonly continue_final_message?: boolean;
}

interface Outcome {
  readonly text?: string;
  readonly error?: string;
  /** What the template itself raised. */
  readonly message?: string;
}

interface Recording {
  readonly now: string;
  readonly special_tokens: Readonly<Record<string, string>>;
  readonly chats: readonly Chat[];
  readonly templates: readonly {
    readonly name: string;
    readonly sha256: string;
    readonly outcomes: readonly Outcome[];
  }[];
}

const file = new URL("../test-data/oracle/chat-templates.json.gz", import.meta.url);
const recording = parseWithFloats(gunzipSync(readFileSync(file)).toString("utf8")) as Recording;
const { now, chats, templates, special_tokens: specialTokens } = recording;
const source = llamaTemplates();

test("the recording has at least 40 templates and 20 conversations", () => {
  assert.ok(templates.length >= 40 && chats.length >= 20, `${templates.length} × ${chats.length}`);
  assert.ok(templates.every(({ outcomes }) => outcomes.length === chats.length));
});

describe(
  "conversations are rendered as by apply_chat_template",
  { skip: "missing" in source ? source.missing : false },
  () => {
    for (const { name, sha256, outcomes } of templates) {
      test(name, () => {
        const text = readFileSync(join("folder" in source ? source.folder : "", name));
        assert.equal(
          createHash("sha256").update(text).digest("hex"),
          sha256,
          "the template is the recorded one",
        );
        const template = parseChatTemplate(text.toString("utf8"), specialTokens, () => new Date(now));
        for (const [index, chat] of chats.entries()) checkOutcome(template, chat, outcomes[index] ?? {});
      });
    }
  },
);

function checkOutcome(template: ChatTemplate, chat: Chat, { text, error, message }: Outcome): void {
  const render = () =>
    template.render(chat.messages, {
      addGenerationPrompt: chat.add_generation_prompt ?? false,
      continueFinalMessage: chat.continue_final_message ?? false,
      ...(chat.tools === undefined ? {} : { tools: chat.tools }),
      ...(chat.documents === undefined ? {} : { documents: chat.documents }),
      ...(chat.kwargs === undefined ? {} : { templateVariables: chat.kwargs }),
    });
  if (text !== undefined) assert.equal(render(), text, chat.name);
  else {
    assert.throws(
      render,
      (thrown) =>
        isServingError(thrown) &&
        thrown.code === "invalid_chat" &&
        thrown.message.startsWith((message ?? "").slice(0, 500)),
      `${chat.name}: ${error ?? ""}`,
    );
  }
}
