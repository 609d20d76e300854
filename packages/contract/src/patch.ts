// Patches of a development deployment: what is sent of a directory that changed, and what becomes of it.

import { z } from "zod";
import { reloadKinds } from "./replica.ts";

const filePath = z
  .string()
  .min(1)
  .max(1024)
  .describe("Relative to the directory, with `/` between its parts.");
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Most files that one patch changes or removes. */
export const mostPatchFiles = 1_000;
/** Most bytes of a patch as it is sent; larger changes are pushed. */
export const patchBodyBytes = 64 * 2 ** 20;

export const deploymentFilesSchema = z.object({
  version_id: z.string(),
  digest: z.string().describe("Of the version, which a patch gives as `base`."),
  files: z.array(z.object({ path: z.string(), size: z.int(), sha256: z.string() })),
});
export type DeploymentFiles = z.infer<typeof deploymentFilesSchema>;

export const createPatchSchema = z.strictObject({
  base: sha256.describe("Digest of the version that the patch was made from."),
  changed: z
    .array(
      z.strictObject({
        path: filePath,
        content: z.base64().describe("The whole of the file, in base 64."),
      }),
    )
    .max(mostPatchFiles)
    .default([]),
  removed: z.array(filePath).max(mostPatchFiles).default([]),
  keep_state: z
    .boolean()
    .default(true)
    .describe(
      "Whether a Python class may be exchanged under its living object, where only code changed and neither `__init__` nor `load` did; `false`: `load` runs again.",
    ),
});
export type CreatePatch = z.input<typeof createPatchSchema>;
export type PatchBody = z.output<typeof createPatchSchema>;

export const patchAnswerSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("applied"),
    version_id: z.string(),
    digest: z.string(),
    reload: z
      .enum([...reloadKinds, "stored"])
      .describe(
        "`state_kept`: the object lives on with its new class. `replaced`: another process loaded the code. `unchanged`: there was nothing to do. `stored`: nothing was running; the deployment starts with it.",
      ),
    load_ms: z.number().describe("Of the code's `load`; 0 where it did not run again."),
    warnings: z.array(z.string()),
  }),
  z.object({
    kind: z.literal("refused").describe("The code cannot be loaded; what ran before goes on."),
    stage: z.string(),
    message: z.string(),
    traceback: z.string().optional(),
    file: z.string().optional(),
    line: z.int().optional(),
  }),
  z.object({
    kind: z.literal("needs_full_push").describe("What changed takes another replica; push the directory."),
    fields: z.array(z.string()).describe("Of config.yaml, or files."),
    message: z.string(),
  }),
]);
export type PatchAnswer = z.infer<typeof patchAnswerSchema>;
