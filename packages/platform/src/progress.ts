// What a starting platform tells the one who started it: JSON lines for a program, sentences for a person.

import type { DeploymentStatus } from "@corral/contract";

export type ProgressEvent =
  | { readonly event: "postgres_ready"; readonly embedded: boolean; readonly ms: number }
  /** The first key, shown this once; `path` is the file that keeps it. */
  | { readonly event: "admin_key"; readonly key: string; readonly path: string }
  | { readonly event: "listening"; readonly url: string }
  | {
      readonly event: "deployment";
      readonly name: string;
      readonly status: DeploymentStatus;
      readonly detail: string | null;
    }
  | { readonly event: "ready"; readonly url: string; readonly ms: number }
  | { readonly event: "notice"; readonly message: string }
  | { readonly event: "stopping" }
  | { readonly event: "error"; readonly code: string; readonly message: string };

export type Progress = (event: ProgressEvent) => void;

export function createProgress(output: "text" | "json", write: (line: string) => void): Progress {
  return (event) => write(`${output === "json" ? JSON.stringify(event) : sentence(event)}\n`);
}

function sentence(event: ProgressEvent): string {
  switch (event.event) {
    case "postgres_ready":
      return `database ready (${event.ms} ms)`;
    case "admin_key":
      return `admin key, shown once and kept in ${event.path}: ${event.key}`;
    case "listening":
      return `listening on ${event.url}`;
    case "deployment":
      return `deployment ${event.name}: ${event.status}${event.detail === null ? "" : ` (${event.detail})`}`;
    case "ready":
      return `ready on ${event.url} (${event.ms} ms)`;
    case "notice":
      return event.message;
    case "stopping":
      return "stopping";
    case "error":
      return `error: ${event.message}`;
  }
}
