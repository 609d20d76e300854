// Names that Baseten's clients ask for and that have one value here.

/** Everything runs on the machine that Corral runs on. */
export const instanceType = { id: "local", name: "local" } as const;

export function project(id: string): { readonly id: string; readonly name: string } {
  return { id, name: id };
}

/** To which the clients append `/deployment/ID/predict` and its like. */
export function modelAddress(baseUrl: string, modelId: string): string {
  return `${baseUrl}/model/${modelId}`;
}

/** Calls beyond what a model takes at once wait for their turn. */
export const backpressure = { policy: "QUEUE_ON_FULL" } as const;
