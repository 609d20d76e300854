// The subprotocols that a caller offers. Pure.
// Source: RFC 6455, section 4.1.

/** Of the caller's offer, and of the one that was chosen. */
export const subprotocolHeader = "sec-websocket-protocol";

/** Those that are words of the protocol, each once. */
export function offeredSubprotocols(header: string | null | undefined): readonly string[] {
  const words = (header ?? "").split(",").map((word) => word.trim());
  const found = new Map<string, string>();
  for (const word of words) {
    const plain = word.toLowerCase();
    if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(word) && !found.has(plain)) found.set(plain, word);
  }
  return [...found.values()];
}
