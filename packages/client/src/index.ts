export {
  allOf,
  createClient,
  type Body,
  type Client,
  type CreatedKey,
  type GenerateAnswer,
  type ListOptions,
  type LogLine,
  type Page,
  type PushOptions,
} from "./client.ts";
export { UnreachableError } from "./errors.ts";
export type { CallOptions, ClientOptions } from "./transport.ts";
