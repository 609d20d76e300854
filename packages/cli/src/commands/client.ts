// `corral client`: a TypeScript file with the types of a deployment's call, and the call.

import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { clientFile } from "../client-file/client-file.ts";
import { required, textOption, type CommandDefinition } from "../command.ts";
import { findDeployments } from "../find.ts";

export const client: CommandDefinition = {
  name: "client",
  summary: "Make a typed TypeScript client of a deployment.",
  details:
    "Its types are those that the model's code declares, as zod schemas or pydantic classes; the file needs nothing but fetch.\nThe same as an OpenAPI 3.1 document: GET /api/v1/deployments/DEPLOYMENT/openapi.json.",
  arguments: [{ name: "<deployment>", summary: "a deployment's id or name, or a model's name" }],
  options: [{ flags: "--out <file>", summary: "where it is written (default: standard output)" }],
  examples: [["corral client my-model --out my-model.ts", "then: createClient({ key }).predict({ … })"]],
  async run(context, args, options) {
    const reference = required(args, 0);
    const platform = context.client();
    const [{ id, name }] = await findDeployments(platform, reference, { modelFirst: true });
    const document = await platform.deployments.openapi(id, { signal: context.signal });
    const text = clientFile(document, { url: context.url, command: `corral client ${reference}` });
    const out = textOption(options, "out");
    if (out === undefined) {
      context.print({ deployment: id, text }, () => text.trimEnd());
      return;
    }
    const path = resolve(context.directory, out);
    await writeFile(path, text);
    context.print({ deployment: id, path }, () => `Wrote the client of ${name} to ${path}.`);
  },
};
