// Where weights are found in tests that prepare none: the built-in catalogue and some directories.

import { builtInCatalogue } from "@corral/weights";
import type { ContentPlaces } from "../build/version-content.ts";

export function testPlaces(...roots: string[]): ContentPlaces {
  const nothing = () => Promise.reject(new Error("No weights are prepared in this test."));
  return { roots, catalogue: builtInCatalogue, prepared: { bySource: nothing, byId: nothing } };
}
