// What loaded code says of itself → what the platform keeps of it.

import { mostSchemaCharacters, type CodeInterface, type CodeSchemas } from "@corral/contract";
import type { LoadedMessage } from "./protocol.ts";

export function codeInterfaceOf({
  methods,
  schemas,
}: Pick<LoadedMessage, "methods" | "schemas">): CodeInterface {
  return { methods: [...methods], schemas: schemas !== null && isSmall(schemas) ? schemas : null };
}

function isSmall(schemas: CodeSchemas): boolean {
  try {
    return JSON.stringify(schemas).length <= mostSchemaCharacters;
  } catch {
    // Nested more deeply than can be written.
    return false;
  }
}
