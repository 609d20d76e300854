// Words that no model, deployment or identifier may be, because a route begins with them.

export const reservedNames = [
  "api",
  "v1",
  "v2",
  "v3",
  "v4",
  "model",
  "models",
  "model_versions",
  "deployments",
  "environments",
  "development",
  "production",
  "graphql",
  "s3",
  "runs",
  "async_request",
  "keys",
  "usage",
  "secrets",
  "openapi.json",
  "healthz",
  "readyz",
  "metrics",
  "assets",
  "console",
  "_corral",
] as const;

/** Names are lower-case words of letters, digits, `.`, `_` and `-`, 1 to 63 characters, beginning with a letter or digit. */
const namePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/**
 * A name made from a text for people ("Llama 3 8B Instruct" → "llama-3-8b-instruct"); "" where nothing usable is left.
 * It may still be reserved: `nameProblem` tells.
 */
export function nameFrom(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 63)
    .replace(/-+$/, "");
}

/** What is wrong with a name that is part of no route, or null. */
export function namePatternProblem(name: string): string | null {
  if (namePattern.test(name)) return null;
  return `name is ${JSON.stringify(name)}; it must be 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.`;
}

/** Why a name cannot be used, or null. A name ending in `-webhook` would collide with the Cerebrium routes. */
export function nameProblem(name: string): string | null {
  const problem = namePatternProblem(name);
  if (problem !== null) return problem;
  if ((reservedNames as readonly string[]).includes(name)) {
    return `name is ${JSON.stringify(name)}, which is reserved for a route; choose another.`;
  }
  if (name.endsWith("-webhook")) {
    return `name is ${JSON.stringify(name)}; names must not end in "-webhook", the routes add it.`;
  }
  return null;
}
