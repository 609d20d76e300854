// The project that a key belongs to, and what is set for all of it.

import { z } from "zod";

export const projectSchema = z.object({
  id: z.string(),
  name: z.string(),
  store: z
    .boolean()
    .describe(
      "Whether outputs of runs are kept where a call does not say: see `x-corral-store` and `store`.",
    ),
  created_at: z.string(),
});
export type Project = z.infer<typeof projectSchema>;

export const patchProjectSchema = z.strictObject({
  store: z.boolean().describe("false: of runs counts and times are kept, unless a call asks for more."),
});
export type PatchProject = z.infer<typeof patchProjectSchema>;
