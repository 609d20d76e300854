// What a key may do to other keys: never more than it may do itself.

import { ServingError, fieldsError, type CreateKey, type FieldError } from "@corral/contract";
import type { KeyRow } from "../store/schema.ts";
import type { Principal } from "./authenticate.ts";
import { hasScope } from "./guard.ts";

/** Whether a key is within its admin's models. */
export function mayManage(
  { models }: Principal,
  key: { readonly models: readonly string[] | null },
): boolean {
  return models === null || (key.models !== null && key.models.every((name) => models.includes(name)));
}

/** Whoever has a budget must not get past it by another key, or by changing it. */
export function budgetOfBudgeted(): ServingError {
  const message =
    "The calling key has a budget of its own; keys and budgets beside it are made by a key that has none.";
  return fieldsError([{ pointer: "/token_budget", code: "invalid_parameter", message }]);
}

/** A key as if it were to be made. */
export function wantedOf(key: KeyRow): CreateKey {
  return {
    name: key.name,
    scopes: key.scopes,
    models: key.models,
    token_cap: key.token_cap,
    weight: key.weight,
    expires_at: key.expires_at?.toISOString() ?? null,
  };
}

/** Why a caller may not have a key's new secret: the key may do more than the caller. Null: it may have it. */
export function tooMuchToHold(caller: Principal, key: KeyRow, now: Date): ServingError | null {
  const isOver = key.expires_at !== null && key.expires_at <= now;
  const [first] = caller.keyId === key.id || isOver ? [] : excessOf(caller, wantedOf(key), now);
  return first === undefined
    ? null
    : new ServingError("forbidden", `The key ${key.id} may do more than the calling one: ${first.message}`);
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
  if (maker.hasBudget) errors.push(...budgetOfBudgeted().errors);
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
