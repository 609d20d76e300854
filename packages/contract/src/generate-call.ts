// Our own call, `POST /api/v1/deployments/{d}/generate`: its words beside the parameters of `generate`.

/** Most prompts of one call. */
export const mostPrompts = 128;
