export type { Fault } from "./fake-faults.ts";
export { startFakeHub, type FakeHub, type FakeHubOptions, type LoggedRequest } from "./fake-hub.ts";
export type { FakeRepositoryOptions } from "./fake-repositories.ts";
