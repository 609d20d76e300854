export { HttpError } from "./http-error.ts";
export {
  llm,
  type Llm,
  type LlmChunk,
  type LlmEmbeddings,
  type LlmRendered,
  type OtherDeployment,
} from "./llm.ts";
export {
  log,
  model,
  secrets,
  type CallContext,
  type IncomingCall,
  type LoadContext,
  type ModelDefinition,
  type ModelSocket,
  type Schema,
  type SocketMessage,
} from "./model.ts";
