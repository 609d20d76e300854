// The root fields that the Truss command asks for, each with what the key needs for it. An answer has everything that some
// version of the command reads, whatever was selected: 2024's flat members and today's nested ones side by side.

import { ServingError } from "@corral/contract";
import { hasScope, scopesOf, type KeyGuard } from "../../gateway/guard.ts";
import type { DeploymentRow, ModelRow } from "../../store/schema.ts";
import { createUpload } from "../../store/uploads.ts";
import {
  booleanArgument,
  integerArgument,
  labelsArgument,
  stringArgument,
  type Arguments,
} from "./arguments.ts";
import {
  deploymentsOf,
  isProduction,
  modelsOf,
  requireAnyDeployment,
  requireVisibleModel,
  statusOf,
  titleOf,
} from "./deployed.ts";
import type { RootField } from "./graphql-document.ts";
import { nameOfTitle, pushTruss, type Pushed, type TrussPush } from "./push.ts";
import { keysOf } from "./s3/credentials.ts";
import { uploadBucket, uploadRegion } from "./s3/s3-routes.ts";
import type { TrussContext } from "./services.ts";
import { requireOwnTeam } from "./team.ts";
import { removeExpired } from "./sweep-uploads.ts";
import { instanceType, modelAddress, project } from "./words.ts";
import { validateConfig } from "./validate.ts";
import { stagePatch, stateOf, syncPatches, watchState, type PatchOutcome } from "./watch/watch.ts";

export interface FieldDefinition {
  readonly operation: "query" | "mutation";
  readonly needs: KeyGuard;
  answer(context: TrussContext, field: RootField): Promise<unknown>;
}

/** An upload's credentials are good for so long. */
export const uploadMs = 15 * 60_000;

export const fields: Readonly<Record<string, FieldDefinition>> = {
  teams: {
    operation: "query",
    needs: "read",
    // More than one would make the command ask which.
    answer: async ({ principal }) => [{ ...project(principal.projectId), default: true }],
  },
  organization: {
    operation: "query",
    needs: "read",
    answer: async ({ principal }) => ({
      id: principal.projectId,
      workspace_name: principal.projectId,
      aws_customer_access_role_arn: null,
      aws_external_id: null,
    }),
  },
  user: {
    operation: "query",
    needs: "read",
    answer: async ({ principal }) => ({ email: principal.keyId ?? "operator" }),
  },
  models: {
    operation: "query",
    needs: "read",
    async answer(context, { selected }) {
      const models = await modelsOf(context);
      // A list of many models with all their deployments is asked for by old commands alone.
      if (!selected.has("versions")) return models.map((model) => shortModel(context, model));
      return await Promise.all(models.map((model) => wholeModel(context, model, selected)));
    },
  },
  model: {
    operation: "query",
    needs: "read",
    async answer(context, { arguments: given, selected }) {
      const wanted = stringArgument(given, "id") ?? stringArgument(given, "name");
      if (wanted === null) throw missing("id or name");
      return await wholeModel(context, await requireVisibleModel(context, wanted), selected);
    },
  },
  model_version: {
    operation: "query",
    needs: "read",
    async answer(context, { arguments: given, selected }) {
      const row = await requireAnyDeployment(context, requiredString(given, "id"));
      const model = await requireVisibleModel(context, row.model_id);
      return { ...(await watchedVersion(context, row, selected)), oracle: shortModel(context, model) };
    },
  },
  truss_validation: {
    operation: "query",
    needs: "push",
    async answer(_context, { arguments: given }) {
      const { success, ...details } = validateConfig(requiredString(given, "config"));
      return { success, details: JSON.stringify(details) };
    },
  },
  model_s3_upload_credentials: {
    operation: "query",
    needs: "push",
    async answer(context) {
      const { db, principal, now, uploadSecret, baseUrl } = context;
      await removeExpired(context);
      const { id } = await createUpload(db, {
        projectId: principal.projectId,
        keyId: principal.keyId,
        expiresAt: new Date(now().getTime() + uploadMs),
      });
      const { accessKey, secretKey, token } = keysOf(uploadSecret, id);
      // The command hands all but the first two to its S3 client, which so sends the archive here.
      return {
        s3_bucket: uploadBucket,
        s3_key: id,
        aws_access_key_id: accessKey,
        aws_secret_access_key: secretKey,
        aws_session_token: token,
        endpoint_url: `${baseUrl}/s3`,
        region_name: uploadRegion,
      };
    },
  },
  create_model_from_truss: {
    operation: "mutation",
    needs: "push",
    async answer(context, { arguments: given }) {
      const title = requiredString(given, "name");
      const deploymentTitle = stringArgument(given, "version_name");
      const pushed = await pushTruss(context, {
        ...published(given),
        title,
        deploymentTitle,
        // A model's first deployment has its name in any case.
        promote: promotes(given) || (await isNew(context, title)),
      });
      return { ...answerOf(context, pushed), id: pushed.model.id };
    },
  },
  create_model_version_from_truss: {
    operation: "mutation",
    needs: "push",
    async answer(context, { arguments: given }) {
      const model = await requireVisibleModel(context, requiredString(given, "model_id"));
      const pushed = await pushTruss(context, {
        ...published(given),
        title: titleOf(model),
        deploymentTitle: stringArgument(given, "name"),
        promote: promotes(given),
      });
      return { ...answerOf(context, pushed), id: pushed.deployment.id };
    },
  },
  deploy_draft_truss: {
    operation: "mutation",
    needs: "push",
    async answer(context, { arguments: given }) {
      const pushed = await pushTruss(context, {
        ...published(given),
        title: requiredString(given, "name"),
        kind: "development",
        deploymentTitle: null,
        promote: false,
      });
      return { ...answerOf(context, pushed), id: pushed.model.id };
    },
  },
  truss_watch_state: {
    operation: "query",
    needs: "read",
    async answer(context, { arguments: given }) {
      return await watchState(context, await requireVisibleModel(context, requiredString(given, "id")));
    },
  },
  stage_patch_for_draft_truss: watchMutation((context, model, given) =>
    stagePatch(context, model, requiredString(given, "patch")),
  ),
  sync_draft_truss: watchMutation((context, model) => syncPatches(context, model)),
  // Of 2024: both in one.
  patch_draft_truss: watchMutation(async (context, model, given) => {
    const staged = await stagePatch(context, model, requiredString(given, "patch"));
    return staged.succeeded ? await syncPatches(context, model) : staged;
  }),
};

type WatchField = (context: TrussContext, model: ModelRow, given: Arguments) => Promise<PatchOutcome>;

function watchMutation(answer: WatchField): FieldDefinition {
  return {
    operation: "mutation",
    needs: "push_code",
    async answer(context, { arguments: given }) {
      const wanted = stringArgument(given, "id") ?? requiredString(given, "name");
      return await answer(context, await requireVisibleModel(context, wanted), given);
    },
  };
}

/** Fails with `forbidden` or `invalid_parameter` where the field may not be answered. */
export function requireField(
  context: TrussContext,
  operation: string,
  { name, arguments: given }: RootField,
): FieldDefinition {
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field === undefined || field.operation !== operation) {
    throw new ServingError(
      "invalid_parameter",
      `The ${operation} ${name.slice(0, 100)} is not answered by Corral.`,
    );
  }
  const wanted = scopesOf(field.needs);
  if (!wanted.some((scope) => hasScope(context.principal, scope))) {
    throw new ServingError(
      "forbidden",
      `This key has the scopes ${context.principal.scopes.join(", ")}; ${name} needs ${wanted.join(" or ")}.`,
    );
  }
  requireOwnTeam(context.principal, stringArgument(given, "team_id"));
  return field;
}

type CommonOfPushes = "s3Key" | "kind" | "labels" | "allowDownload" | "scaleDownPrevious" | "timeoutMinutes";

function published(given: Arguments): Pick<TrussPush, CommonOfPushes> {
  return {
    s3Key: requiredString(given, "s3_key"),
    kind: "published",
    labels: labelsArgument(given, "user_deploy_metadata"),
    allowDownload: booleanArgument(given, "allow_truss_download") ?? true,
    scaleDownPrevious: booleanArgument(given, "scale_down_old_production") ?? true,
    // The command takes no others, either.
    timeoutMinutes: integerArgument(given, "deploy_timeout_minutes", { least: 10, most: 1_440 }),
  };
}

/** `--promote` and `--environment production`, in every version's spelling. */
function promotes(given: Arguments): boolean {
  const environment = stringArgument(given, "environment_name");
  if (environment !== null && environment !== "production") {
    throw new ServingError(
      "unsupported_parameter",
      `The environment ${JSON.stringify(environment.slice(0, 100))} is not there: this release has production alone. Leave --environment out, or use --promote.`,
    );
  }
  return environment === "production" || booleanArgument(given, "promote_after_deploy") === true;
}

async function isNew(context: TrussContext, title: string): Promise<boolean> {
  const name = nameOfTitle(title);
  return !(await modelsOf(context)).some((model) => model.name === name);
}

function answerOf(context: TrussContext, { model, deployment }: Pushed) {
  const oracle = shortModel(context, model);
  return {
    model_version: { ...versionOf(deployment), oracle, instance_type: instanceType },
    name: oracle.name,
    version_id: deployment.id,
  };
}

function shortModel({ baseUrl }: TrussContext, model: ModelRow) {
  return {
    id: model.id,
    name: titleOf(model),
    hostname: modelAddress(baseUrl, model.id),
    team: project(model.project_id),
  };
}

async function wholeModel(context: TrussContext, model: ModelRow, selected: RootField["selected"]) {
  const rows = await deploymentsOf(context.db, model);
  const primary =
    rows.find(isProduction) ?? rows.findLast((row) => !row.development && row.status !== "failed");
  const found = await Promise.all(rows.map((row) => watchedVersion(context, row, selected)));
  // The command calls what it has just pushed: until one of them is loaded, that is the one which was there first.
  const versions = found.map((one) => ({ ...one, is_primary: one.id === primary?.id }));
  return {
    ...shortModel(context, model),
    versions,
    primary_version: versions.find(({ is_primary }) => is_primary) ?? null,
  };
}

/** With the state of its files where that is asked for and the deployment is one to watch: they are hashed for it. */
async function watchedVersion(context: TrussContext, row: DeploymentRow, selected: RootField["selected"]) {
  const version = versionOf(row);
  if (!row.development || !(selected.has("truss_signature") || selected.has("truss_hash"))) return version;
  const { hash, signature } = await stateOf(context, row);
  return { ...version, truss_hash: hash, truss_signature: signature };
}

function versionOf(row: DeploymentRow) {
  const status = statusOf(row);
  return {
    id: row.id,
    semver: "0.1.0",
    truss_hash: row.version_id,
    truss_signature: null,
    is_draft: row.development,
    is_primary: isProduction(row),
    current_deployment_status: status,
    current_model_deployment_status: { status },
  };
}

function requiredString(given: Arguments, name: string): string {
  const value = stringArgument(given, name);
  if (value !== null) return value;
  throw missing(name);
}

function missing(name: string): ServingError {
  return new ServingError("missing_parameter", `${name} is missing.`);
}
