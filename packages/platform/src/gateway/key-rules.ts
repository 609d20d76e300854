// What a key may do to other keys: never more than it may do itself.

import type { CreateKey, FieldError } from "@corral/contract";
import type { Principal } from "./authenticate.ts";
import { hasScope } from "./guard.ts";

/** Whether a key is within its admin's models. */
export function mayManage(
  { models }: Principal,
  key: { readonly models: readonly string[] | null },
): boolean {
  return models === null || (key.models !== null && key.models.every((name) => models.includes(name)));
}

/** Every way in which a new key would do more than its maker, or could never be used. */
export function excessOf(maker: Principal, wanted: CreateKey, now: Date): FieldError[] {
  const errors: FieldError[] = [];
  const refuse = (pointer: string, message: string) =>
    errors.push({ pointer, code: "invalid_parameter", message });
  const scopes = wanted.scopes.filter((scope) => !hasScope(maker, scope));
  if (scopes.length > 0)
    refuse("/scopes", `scopes has ${scopes.join(", ")}, which the calling key does not have itself.`);
  if (maker.models !== null) {
    const allowed = maker.models;
    if (wanted.models === null)
      refuse("/models", `models is null (all); the calling key is limited to ${allowed.join(", ")}.`);
    else {
      const more = wanted.models.filter((name) => !allowed.includes(name));
      if (more.length > 0)
        refuse(
          "/models",
          `models has ${more.join(", ")}; the calling key is limited to ${allowed.join(", ")}.`,
        );
    }
  }
  if (maker.tokenCap !== null && (wanted.token_cap === null || wanted.token_cap > maker.tokenCap)) {
    refuse(
      "/token_cap",
      `token_cap is ${wanted.token_cap ?? "null (none)"}; the calling key has ${maker.tokenCap}.`,
    );
  }
  if (
    maker.expiresAt !== null &&
    (wanted.expires_at === null || new Date(wanted.expires_at) > maker.expiresAt)
  ) {
    refuse(
      "/expires_at",
      `expires_at is ${wanted.expires_at ?? "null (never)"}; the calling key ends at ${maker.expiresAt.toISOString()}.`,
    );
  }
  if (wanted.expires_at !== null && new Date(wanted.expires_at) <= now) {
    refuse("/expires_at", `expires_at is ${wanted.expires_at}, which is past.`);
  }
  return errors;
}
