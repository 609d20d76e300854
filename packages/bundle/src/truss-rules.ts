// What the fields of a config mean together: those that exclude or need one another. Each mistake with its place.
// Source: truss 0.18.35, truss_config.py.

import type { Report } from "./config-issues.ts";
import type { TrussFields } from "./truss-schema.ts";

/** `fields` are of one config, each by itself sound; those that are not are left out. */
export function checkTogether(fields: Partial<TrussFields>, report: Report): void {
  const wrong = (path: readonly PropertyKey[], message: string) => report(path, "invalid_parameter", message);
  const { requirements = [], requirements_file: file, model_cache: cache = [], weights = [] } = fields;

  if (requirements.length > 0 && file !== undefined) {
    wrong(
      ["requirements_file"],
      "requirements_file and requirements are both there; put everything into one of them.",
    );
  }
  if (cache.length > 0 && weights.length > 0) {
    wrong(["model_cache"], "model_cache and weights are both there; name everything under weights.");
  }
  checkCache(cache, wrong);
  checkMounts(weights, wrong);
  checkServer(fields, wrong);

  const { transport } = fields.runtime ?? {};
  for (const name of ["ping_interval_seconds", "ping_timeout_seconds"] as const) {
    if (transport?.[name] !== undefined && transport.kind !== "websocket") {
      wrong(
        ["runtime", "transport", name],
        `${name} is of websocket; transport.kind is ${transport.kind}. Remove it.`,
      );
    }
  }
  const auth = fields.base_image?.docker_auth;
  if (auth !== undefined) checkAuth(auth, "secret_name", ["base_image", "docker_auth"], wrong);
}

/** Files come from a hub alone: of the other places nobody is asked. To be called where Python code answers. */
export function checkSources(
  { model_cache: cache = [], weights = [] }: Partial<TrussFields>,
  report: Report,
): void {
  const remedy =
    "only a Hugging Face hub is read. Put the files there, name them under external_data by https, or fetch them in load.";
  for (const [index, { kind }] of cache.entries()) {
    if (kind === "hf") continue;
    report(
      ["model_cache", index, "kind"],
      "unsupported_parameter",
      `kind ${kind} is not supported here: ${remedy}`,
    );
  }
  for (const [index, { source, auth }] of weights.entries()) {
    const at = ["weights", index] as const;
    if (!source.startsWith("hf://"))
      report([...at, "source"], "unsupported_parameter", `${source} is not supported here: ${remedy}`);
    if (auth !== undefined && auth.auth_method !== "CUSTOM_SECRET") {
      const message = `auth_method ${auth.auth_method} is not supported here: a hub takes a token. Use CUSTOM_SECRET.`;
      report([...at, "auth", "auth_method"], "unsupported_parameter", message);
    }
  }
}

/** To be called where code answers. */
export function checkTransport({ runtime }: Partial<TrussFields>, report: Report): void {
  if (runtime?.transport.kind !== "grpc") return;
  const message =
    "kind grpc is not supported here: code is called over HTTP and websockets. Use http or websocket.";
  report(["runtime", "transport", "kind"], "unsupported_parameter", message);
}

type Wrong = (path: readonly PropertyKey[], message: string) => void;

function checkCache(cache: TrussFields["model_cache"], wrong: Wrong): void {
  const isMixed = new Set(cache.map(({ use_volume: volume }) => volume)).size > 1;
  if (isMixed) wrong(["model_cache"], "use_volume must be the same for every repository of model_cache.");
  for (const [index, repository] of cache.entries()) {
    if (!repository.use_volume) continue;
    const at = ["model_cache", index];
    if (repository.volume_folder === undefined) {
      wrong(at, `${repository.repo_id} has use_volume: true; name its directory with volume_folder.`);
    }
    if (repository.kind === "hf" && repository.revision === "") {
      wrong(at, `${repository.repo_id} has use_volume: true; say which commit with revision.`);
    }
  }
}

function checkMounts(weights: TrussFields["weights"], wrong: Wrong): void {
  const seen = new Set<string>();
  for (const [index, mounted] of weights.entries()) {
    const at = ["weights", index];
    const place = mounted.mount_location.replace(/\/+$/, "");
    if (seen.has(place)) {
      wrong([...at, "mount_location"], `mount_location ${place} is there twice; each needs one of its own.`);
    }
    seen.add(place);
    const { auth } = mounted;
    if (auth === undefined) continue;
    if (auth.auth_secret_name !== undefined && mounted.auth_secret_name !== undefined) {
      wrong([...at, "auth_secret_name"], "auth_secret_name stands here and under auth; remove one of them.");
    }
    checkAuth(auth, "auth_secret_name", [...at, "auth"], wrong);
  }
}

const needs: Readonly<Record<string, readonly string[]>> = {
  CUSTOM_SECRET: ["SECRET"],
  GCP_SERVICE_ACCOUNT_JSON: ["SECRET"],
  AWS_OIDC: ["aws_oidc_role_arn", "aws_oidc_region"],
  GCP_OIDC: ["gcp_oidc_service_account", "gcp_oidc_workload_id_provider"],
  AWS_ASSUME_ROLE: ["aws_assume_role_arn", "aws_assume_role_region"],
};

/** Each method needs its own fields and goes with no others; methods that are not in the table take any. */
function checkAuth(
  auth: Readonly<Record<string, unknown>> & { readonly auth_method: string },
  secretField: string,
  at: readonly PropertyKey[],
  wrong: Wrong,
): void {
  const method = auth.auth_method;
  const own = needs[method];
  if (own === undefined) return;
  for (const name of new Set(Object.values(needs).flat())) {
    const field = name === "SECRET" ? secretField : name;
    const isGiven = auth[field] !== undefined && auth[field] !== "";
    if (own.includes(name) && !isGiven) {
      wrong([...at, field], `${field} must be there with auth_method ${method}.`);
    } else if (!own.includes(name) && isGiven) {
      wrong([...at, field], `${field} does not go with auth_method ${method}; remove it.`);
    }
  }
}

function checkServer({ docker_server: server, runtime }: Partial<TrussFields>, wrong: Wrong): void {
  if (server === undefined) return;
  if (server.start_command === undefined && server.no_build !== true) {
    wrong(["docker_server"], "docker_server.start_command is required: the command that starts the server.");
  }
  if (server.run_as_user_id !== undefined && runtime?.remote_ssh.enabled === true) {
    wrong(
      ["docker_server", "run_as_user_id"],
      "run_as_user_id does not go with runtime.remote_ssh; remove one of them.",
    );
  }
}
