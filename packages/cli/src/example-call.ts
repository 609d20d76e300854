// The documented calls as lines to paste into a shell. Bodies are the documented ones to the letter.

import type { Deployment } from "@corral/contract";
import { builtInCatalogue } from "@corral/weights";

export interface ExampleCall {
  readonly url: string;
  readonly curl: string;
}

export const documentedBodies = {
  chat: `{"messages": [{"role": "user", "content": "What even is AGI?"}], "max_tokens": 128}`,
  prompt: `{"prompt": "Hey! How are you doing?", "max_length": 100, "temperature": 0.9, "top_p": 1.0, "top_k": 10, "num_return_sequences": 1, "repetition_penalty": 2.0}`,
} as const;

/**
 * A call of one deployment by its id. A prompt suits every text model; messages need a chat template.
 * @param ownBody what code takes; undefined: a model of weights answers
 */
export function exampleCall(
  url: string,
  deployment: Deployment,
  keyInShell: string,
  ownBody?: unknown,
): ExampleCall {
  const chats = [deployment.model_name, ...deployment.identifiers].some((name) => {
    const defaults = builtInCatalogue.find(name)?.defaults;
    return defaults !== undefined && "max_tokens" in defaults;
  });
  const target = `${url}/model_versions/${deployment.id}/predict`;
  const body = chats ? documentedBodies.chat : `{"prompt": "Hey! How are you doing?", "max_new_tokens": 64}`;
  const own = ownBody === undefined ? undefined : JSON.stringify(ownBody);
  return { url: target, curl: curlLine(target, `Api-Key ${keyInShell}`, own ?? body) };
}

/** The Llama 3 page's call. */
export function documentedChatCall(url: string, deploymentId: string, apiKey: string): string {
  return curlLine(
    `${url}/model_versions/${deploymentId}/predict`,
    `Api-Key ${apiKey}`,
    documentedBodies.chat,
  );
}

/** The Llama 2 page's call. */
export function documentedPromptCall(url: string, apiKey: string): string {
  return curlLine(`${url}/llamav2-7b-chat-webhook/predict`, apiKey, documentedBodies.prompt);
}

function curlLine(url: string, authorization: string, body: string): string {
  // Double quotes let the shell put the key in; keys have no character that they would change.
  return [
    `curl -X POST ${url} \\`,
    `  -H "Authorization: ${authorization}" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${body.replaceAll("'", String.raw`'\''`)}'`,
  ].join("\n");
}
