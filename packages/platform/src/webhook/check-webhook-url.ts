// Whether results may be sent to a URL that a caller gave, as far as its text tells: at admission, before a run is
// begun for it.

import { fieldsError, type FieldError } from "@corral/contract";
import type { EgressRules } from "@corral/weights";
import { checkUrl, shownUrl } from "../egress/check-url.ts";

/**
 * The bad field of a webhook's URL, or null for one that is kept as it is.
 * @param name how the caller knows the field: `webhook_endpoint`, `webhookEndpoint`
 */
export function webhookUrlProblem(
  text: string,
  rules: EgressRules,
  name = "webhook_endpoint",
): FieldError | null {
  const checked = checkUrl(text, rules);
  if (checked.kind === "allowed") return null;
  return {
    pointer: `/${name}`,
    code: "invalid_parameter",
    message: `${name} is ${shownUrl(text)}, which ${checked.problem}.`,
  };
}

/** The URL as it is to be kept. Fails with `invalid_parameter` (422), naming the field. */
export function checkWebhookUrl(text: string, rules: EgressRules, name = "webhook_endpoint"): string {
  const problem = webhookUrlProblem(text, rules, name);
  if (problem !== null) throw fieldsError([problem]);
  return new URL(text).href;
}
