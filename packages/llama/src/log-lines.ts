// What llama.cpp logs while one call runs. The log is one for the whole process, and a line that another thread logs
// while the main one is inside a native call would wait for ever: for programs that do one thing with llama.cpp only.

import { callAsync, registerLogCallback, unregisterCallback } from "./abi.ts";
import type { OpenLibrary } from "./library.ts";

export interface LoggedCall<Result> {
  readonly result: Result;
  /** Without their ends. */
  readonly lines: readonly string[];
}

let isListening = false;

/** Runs a native function on libuv's pool and keeps its log. One at a time. */
export async function callLogged<A extends unknown[], R>(
  { abi, logSink }: Pick<OpenLibrary, "abi" | "logSink">,
  native: Parameters<typeof callAsync<A, R>>[0],
  ...args: A
): Promise<LoggedCall<R>> {
  if (isListening) throw new TypeError("llama.cpp's log is listened to already");
  isListening = true;
  const texts: string[] = [];
  const callback = registerLogCallback((text) => void texts.push(text));
  abi.llama_log_set(callback, null);
  try {
    const result = await callAsync(native, ...args);
    return { result, lines: texts.join("").split("\n") };
  } finally {
    abi.llama_log_set(logSink, null);
    unregisterCallback(callback);
    isListening = false;
  }
}
