export {
  allOf,
  createClient,
  type Body,
  type Client,
  type CreatedKey,
  type GenerateAnswer,
  type ListOptions,
  type LogsOptions,
  type RunListOptions,
  type Page,
  type PushOptions,
} from "./client.ts";
export type { LogLine } from "@corral/contract";
export { UnreachableError } from "./errors.ts";
export type { CallOptions, ClientOptions } from "./transport.ts";
export type { FollowOptions, RunEvent } from "./follow-run.ts";
