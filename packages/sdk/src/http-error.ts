// How code refuses a call: with a status and a text of its own.

/** Thrown by author code; the caller gets `status` and `detail`. Anything else that is thrown is a 500 without a text. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  /** A text, or any JSON value. */
  readonly detail: unknown;

  /** @param status from 400 to 599 */
  constructor(status: number, detail: unknown) {
    super(typeof detail === "string" ? detail : JSON.stringify(detail));
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`HttpError: status is ${status}; it must be an integer from 400 to 599.`);
    }
    this.status = status;
    this.detail = detail;
  }
}
