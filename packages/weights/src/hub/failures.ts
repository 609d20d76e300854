// What a refusal of the hub means to whoever asked, and which failures pass by themselves.

import { ServingError } from "@corral/contract";
import type { HubSettings } from "./settings.ts";

/** A failure that may be gone at the next try: the network, a full queue, a server that restarts. */
export class PassingFailure extends ServingError {
  constructor(detail: string, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super("hub_unavailable", detail, options);
  }
}

export interface Refused {
  readonly status: number;
  readonly headers: Headers;
  /** Of the server that answered. */
  readonly origin: string;
}

/** What was asked for; null: the request was not about one. */
export interface Subject {
  readonly repository: string | null;
  readonly revision?: string;
  readonly path?: string;
}

/**
 * The error that a status of 4xx or 5xx stands for. The hub says what it means in `X-Error-Code` and
 * `X-Error-Message`; source of their readings: huggingface_hub 2.4.0, utils/_http.py, hf_raise_for_status.
 */
export function refusal(refused: Refused, subject: Subject, settings: HubSettings): ServingError {
  const { status, headers, origin } = refused;
  const { repository, revision, path } = subject;
  const code = headers.get("x-error-code");
  const message = headers.get("x-error-message") ?? "";
  const page = `${settings.endpoint}/${repository ?? ""}`;
  const said = message === "" ? "" : ` ("${message.slice(0, 300)}")`;
  if (origin !== new URL(settings.endpoint).origin) {
    // The link to another server is signed for a while; the hub gives a new one.
    return new PassingFailure(
      `${origin}, where the hub keeps its files, answered ${status}.`,
      retryAfter(headers),
    );
  }
  if (status === 408 || status === 429 || status >= 500) {
    return new PassingFailure(`${origin} answered ${status}${said}.`, retryAfter(headers));
  }
  if (code === "GatedRepo") return gated(repository ?? "", page, settings);
  // Someone who is known gets 404 for what is not there; 401 is about the token.
  if (status === 401 && settings.token !== null && code !== "RepoNotFound")
    return tokenRefused(settings, status);
  if (message === "Access to this resource is disabled.") {
    return new ServingError("repository_not_found", `The hub has disabled ${repository}: see ${page}.`);
  }
  if (code === "RevisionNotFound") {
    return new ServingError(
      "repository_not_found",
      `${repository} has no revision ${revision ?? "of that name"}.`,
    );
  }
  if (code === "EntryNotFound") {
    return new ServingError(
      "weights_missing",
      `${repository} has no file ${path ?? "of that name"} at ${revision}.`,
    );
  }
  if (code === "RepoNotFound" || status === 401) return repositoryUnknown(repository ?? "", settings);
  if (status === 403) {
    return new ServingError(
      "repository_gated",
      `${origin} answered 403 for ${repository}${said}. ${settings.token === null ? "No token was sent: set HF_TOKEN." : `The token of ${settings.token.from} lacks a permission: see ${settings.endpoint}/settings/tokens.`}`,
    );
  }
  if (status === 404) {
    return new ServingError(
      "repository_not_found",
      `${origin} does not know what was asked of ${repository ?? "it"}${said}. If HF_ENDPOINT is set, it must be the address of a hub.`,
    );
  }
  return new ServingError("hub_unavailable", `${origin} answered ${status} for ${repository}${said}.`);
}

function gated(repository: string, page: string, settings: HubSettings): ServingError {
  const tokens = `${settings.endpoint}/settings/tokens`;
  if (settings.token === null) {
    return new ServingError(
      "repository_gated",
      `${repository} is gated, and no token was sent. Open ${page}, log in and click "Agree and access repository"; make a token with the role "Read" at ${tokens}; then set HF_TOKEN to it and try again.`,
    );
  }
  return new ServingError(
    "repository_gated",
    `${repository} is gated, and the owner of the token of ${settings.token.from} has no access. Open ${page} as that user and click "Agree and access repository"; where access is granted by hand, wait for it. A fine-grained token also needs "Read access to contents of all public gated repos you can access" (${tokens}).`,
  );
}

function tokenRefused(settings: HubSettings, status: number): ServingError {
  const from = settings.token?.from ?? "HF_TOKEN";
  return new ServingError(
    "repository_gated",
    `The hub refuses the token of ${from} (${status}, invalid credentials): it was revoked, has expired or is mistyped. Make a new one at ${settings.endpoint}/settings/tokens and set HF_TOKEN to it; what was downloaded is kept.`,
  );
}

function repositoryUnknown(repository: string, settings: HubSettings): ServingError {
  const token =
    settings.token === null
      ? "If it is private, set HF_TOKEN to a token that may read it."
      : `If it is private, the token of ${settings.token.from} may not read it.`;
  return new ServingError(
    "repository_not_found",
    `The hub at ${settings.endpoint} has no repository ${repository}. ${token}`,
  );
}

/** `Retry-After` in seconds, or the reset that the hub's `RateLimit: "api";r=0;t=55` tells when nothing remains. */
function retryAfter(headers: Headers): { retryAfterSeconds?: number } {
  const limit = /;\s*r=0\s*;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];
  const text = headers.get("retry-after") ?? limit;
  const seconds = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfterSeconds: seconds } : {};
}
