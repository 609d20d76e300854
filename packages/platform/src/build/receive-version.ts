// An archive becomes a version: unpacked, checked, kept by its content, written down. Every way to push ends here.

import { manifestDigest, type Bundle } from "@corral/bundle";
import type { BundleStore } from "../blob/bundle-store.ts";
import type { Principal } from "../gateway/authenticate.ts";
import { requireModel, requirePush } from "../gateway/guard.ts";
import { getOrCreateModel } from "../store/models.ts";
import type { Db, VersionRow } from "../store/schema.ts";
import { insertVersion } from "../store/versions.ts";
import { placesOf, type WeightsServices } from "../weights/services.ts";
import { contentOfBundle, requireName } from "./version-content.ts";

export interface ReceiveServices {
  readonly db: Db;
  readonly bundles: BundleStore;
  readonly weights: WeightsServices;
}

export interface ReceivedVersion {
  readonly row: VersionRow;
  /** False where the model had this content before. */
  readonly created: boolean;
  readonly warnings: readonly string[];
}

/**
 * Fails with `invalid_bundle`, and with `forbidden` where the key may not push to that model, or nothing of that kind.
 * @param nameOf the model's name, by what is in the bundle
 */
export async function receiveVersion(
  { db, bundles, weights }: ReceiveServices,
  principal: Principal,
  archive: AsyncIterable<Uint8Array>,
  nameOf: (bundle: Bundle) => string,
): Promise<ReceivedVersion> {
  const { projectId } = principal;
  const received = await bundles.receive(archive);
  try {
    const { bundle } = received;
    const name = nameOf(bundle);
    requireModel(principal, requireName(name, "/model"));
    requirePush(principal, bundle.manifest);
    const digest = manifestDigest(bundle.manifest);
    const directory = await received.keep(digest);
    const content = await contentOfBundle(bundle, directory, placesOf(db, weights, projectId));
    const model = await getOrCreateModel(db, projectId, name);
    const { row, created } = await insertVersion(db, {
      projectId,
      modelId: model.id,
      bundle: digest,
      ...content,
    });
    return { row, created, warnings: bundle.warnings };
  } finally {
    await received.discard();
  }
}
