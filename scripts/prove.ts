// `npm run prove -- NAME`: shows on this machine what tests are too small to show, and prints the figures. Without a
// name it lists what there is.

import { proveConversion } from "./prove/conversion.ts";
import { provePreparation } from "./prove/preparation.ts";
import { proveTrussKills } from "./prove/truss-kills.ts";
import { proveTrussUpload } from "./prove/truss-upload.ts";

const proofs: Readonly<
  Record<string, { readonly what: string; readonly run: (...details: string[]) => Promise<void> }>
> = {
  "convert-1b": {
    what: "memory and processor time of converting a model of Llama 3.2 1B's shape (8 GB of disk)",
    run: () => proveConversion("1b"),
  },
  "convert-7b": {
    what: "the same of Llama 2 7B's shape (40 GB of disk)",
    run: () => proveConversion("7b"),
  },
  "prepare-1b": {
    what: "memory of converting and quantising a model of Llama 3.2 1B's shape, in one process (9 GB of disk); one recipe: prepare-1b q4_0",
    run: provePreparation,
  },
  "truss-kills": {
    what: "kill -9 of the platform in each step of a push and of a watch of the truss command: truss-kills PATH_OF_TRUSS [STEP]",
    run: proveTrussKills,
  },
  "truss-upload": {
    what: "memory of the platform while an archive of 2 GiB comes by S3's protocol (2 GB of disk); another size: truss-upload GIBIBYTES",
    run: proveTrussUpload,
  },
};

const [name, ...details] = process.argv.slice(2).filter((word) => word !== "--");
const proof = name === undefined || !Object.hasOwn(proofs, name) ? undefined : proofs[name];
if (proof === undefined) {
  for (const [known, { what }] of Object.entries(proofs)) console.log(`${known.padEnd(12)} ${what}`);
  process.exitCode = 1;
} else await proof.run(...details);
