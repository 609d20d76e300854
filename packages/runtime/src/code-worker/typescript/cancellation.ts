// Whether a call is still wanted. Making an `AbortSignal` costs more than the rest of a short call: there is one only
// where somebody asks for it.

export class Cancellation {
  #isCanceled = false;
  #controller: AbortController | null = null;
  readonly #listeners = new Set<() => void>();

  get isCanceled(): boolean {
    return this.#isCanceled;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#isCanceled) this.#controller.abort(canceled());
    }
    return this.#controller.signal;
  }

  cancel(): void {
    if (this.#isCanceled) return;
    this.#isCanceled = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
    this.#controller?.abort(canceled());
  }

  /** Fails with the reason of `signal`. */
  throwIfCanceled(): void {
    if (this.#isCanceled) this.signal.throwIfAborted();
  }

  /** Not called where it is canceled already; gives what is to be called when it is not to be called any more. */
  onCancel(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

function canceled(): DOMException {
  return new DOMException("The call was canceled.", "AbortError");
}
