// Whether a call is still wanted. Making an `AbortSignal` costs more than the rest of a short call: there is one only
// where somebody asks for it.

export class Cancellation {
  #reason: DOMException | null = null;
  #controller: AbortController | null = null;
  readonly #listeners = new Set<() => void>();

  get isCanceled(): boolean {
    return this.#reason !== null;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  cancel(): void {
    if (this.#reason !== null) return;
    const reason = new DOMException("The call was canceled.", "AbortError");
    this.#reason = reason;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
    const controller = this.#controller;
    // The author's listeners run once all that came with this is told.
    if (controller !== null) queueMicrotask(() => controller.abort(reason));
  }

  /** Fails with the reason of `signal`. */
  throwIfCanceled(): void {
    if (this.#reason !== null) throw this.#reason;
  }

  /** Not called where it is canceled already; gives what is to be called when it is not to be called any more. */
  onCancel(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
