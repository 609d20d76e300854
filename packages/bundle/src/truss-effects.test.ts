import assert from "node:assert/strict";
import { test } from "node:test";
import { effectOf, type Answerer } from "./truss-effects.ts";
import { trussSchema } from "./truss-schema.ts";

interface Definition {
  readonly innerType?: { readonly def: Definition };
  readonly shape?: Readonly<Record<string, { readonly def: Definition }>>;
}

/** Fields that hold no others; lists are one. */
function leaves({ innerType, shape }: Definition, path: readonly string[] = []): string[] {
  if (innerType !== undefined) return leaves(innerType.def, path);
  if (shape === undefined) return [path.join(".")];
  return Object.entries(shape).flatMap(([name, { def }]) => leaves(def, [...path, name]));
}

const always = ["model_name", "model_metadata", "description", "build.no_cache", "docker_server"];
const ofCode = [
  ...always,
  "data_dir",
  "environment_variables",
  "secrets",
  "model_module_dir",
  "model_class_filename",
  "model_class_name",
  "resources.memory",
  "resources.accelerator",
  "runtime.predict_concurrency",
  "runtime.streaming_read_timeout",
  "runtime.transport.kind",
  "runtime.is_websocket_endpoint",
  "runtime.health_checks",
];
/** What somewhere is read and acts. */
const read: Readonly<Record<Exclude<Answerer, "server">, readonly string[]>> = {
  weights: always,
  typescript: ofCode,
  python: [
    ...ofCode,
    "python_version",
    "requirements",
    "requirements_file",
    "external_data",
    "external_package_dirs",
    "model_cache",
    "weights",
    "bundled_packages_dir",
    "runtime.enable_debug_logs",
  ],
};

/** `a.b.c`, `a.b`, `a`. */
function withParents(field: string): string[] {
  const parts = field.split(".");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("."));
}

for (const answerer of ["weights", "typescript", "python"] as const) {
  test(`every field of Truss has an effect with ${answerer}, or is listed without one, or is refused`, () => {
    const fields = leaves(trussSchema.def as unknown as Definition);
    assert.ok(fields.length > 60, `${fields.length} fields`);
    const silent = fields.filter((field) => {
      const all = withParents(field);
      return !all.some((one) => read[answerer].includes(one) || effectOf(one, answerer) !== undefined);
    });
    assert.deepEqual(silent, []);
    // What is said to be read is not said to be without effect as well.
    const both = read[answerer].filter((field) => effectOf(field, answerer) !== undefined);
    assert.deepEqual(both, []);
  });
}
