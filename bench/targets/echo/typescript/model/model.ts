export function predict(input: unknown): unknown {
  return input;
}
