// Files that lie beside a model and are none: projectors of images, and importance matrices.

import { basename } from "node:path";

/** A model that was made with an importance matrix may say so in its name, too. */
export function isBesideModel(path: string): boolean {
  const name = basename(path).toLowerCase();
  return name.includes("mmproj") || name.startsWith("imatrix") || /imatrix\.(gguf|dat)$/.test(name);
}
