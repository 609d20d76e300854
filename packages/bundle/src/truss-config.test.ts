import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isServingError, type ServingError } from "@corral/contract";
import { parseConfig } from "./config.ts";
import { expandedTrussConfig } from "./truss-config.ts";
import { cpuCount, memoryBytes } from "./truss-amounts.ts";

const python = ["model/model.py"];
const typescript = ["model/model.ts"];
const server =
  "docker_server: {start_command: serve, server_port: 8000, predict_endpoint: /p, readiness_endpoint: /r, liveness_endpoint: /l}\n";

function refusal(text: string, paths: readonly string[] = python): ServingError {
  try {
    parseConfig(text, paths);
  } catch (error) {
    assert.ok(isServingError(error), String(error));
    assert.equal(error.code, "invalid_bundle");
    return error;
  }
  throw new assert.AssertionError({ message: "expected a refusal" });
}

describe("code in a bundle", () => {
  it("is model/model.py or model/model.ts, and then there need be no weights", () => {
    const first = parseConfig("", python);
    assert.deepEqual(first.code, { kind: "python", file: "model/model.py", className: "Model" });
    assert.equal(first.answerer, "python");
    assert.ok(!("weights" in first.config));
    assert.deepEqual(parseConfig("", typescript).code, { kind: "typescript", file: "model/model.ts" });
    const both = parseConfig("model_metadata: {corral: {weights: corral-tiny-3}}", python);
    assert.equal(both.config.weights, "corral-tiny-3");
    assert.equal(both.code?.kind, "python");
    assert.ok(Object.isFrozen(first) && Object.isFrozen(first.truss.runtime.transport));
  });

  it("is where the config says it is", () => {
    const text = "model_module_dir: ./src/\nmodel_class_filename: chat.py\nmodel_class_name: Chat\n";
    assert.deepEqual(parseConfig(text, ["src/chat.py", "src/model.py"]).code, {
      kind: "python",
      file: "src/chat.py",
      className: "Chat",
    });
    assert.deepEqual(
      parseConfig("model_class_filename: a/b.mts\nmodel_class_name: B\n", ["model/a/b.mts"]).code,
      {
        kind: "typescript",
        file: "model/a/b.mts",
        className: "B",
      },
    );
  });

  it("is refused where it is not there, there twice, of another kind, or without a beginning", () => {
    const cases: readonly [string, readonly string[], RegExp][] = [
      [
        "model_class_filename: chat.py\n",
        python,
        /line 1: model_class_filename names model\/chat\.py, which is not/,
      ],
      ["", [...python, ...typescript], /model\/model\.py and model\/model\.ts are both there; name the one/],
      ["model_class_filename: model.rb\n", ["model/model.rb"], /it must end in \.py, \.ts/],
      ["", ["model/util.py"], /model\/util\.py is code, but there is neither model\/model\.py nor/],
      ["", ["other/model.py"], /weights is required.*; or write code that answers calls/],
      ["model_module_dir: ../elsewhere\n", [], /must be a path inside the directory/],
    ];
    for (const [text, paths, message] of cases) assert.match(refusal(text, paths).message, message);
    assert.equal(
      parseConfig("model_class_filename: model.ts\n", [...python, ...typescript]).code?.kind,
      "typescript",
    );
  });

  it("has settings of its own, and weights' settings need weights", () => {
    const strict = parseConfig(
      "model_metadata: {corral: {strict_python: true, strict_resources: false}}",
      python,
    );
    assert.equal(strict.config.strictPython, true);
    assert.ok(!("strictResources" in strict.config));
    assert.match(
      refusal("model_metadata: {corral: {slots: 4}}").message,
      /slots is about the model behind model_metadata\.corral\.weights, which is not there/,
    );
    assert.match(
      refusal("model_metadata: {corral: {weights: w, strict_python: true}}", []).message,
      /strict_python is about code, of which there is none/,
    );
  });

  it("gives way to a server of the author's", () => {
    const parsed = parseConfig(server, python);
    assert.deepEqual([parsed.answerer, parsed.code], ["server", null]);
    assert.equal(parsed.truss.dockerServer?.serverPort, 8000);
  });
});

describe("old spellings", () => {
  it("are read as what is written now", () => {
    const { truss } = parseConfig(
      `
python_version: 3.10
spec_version: 2.0
requirements:
environment_variables: {ON: yes, RATE: 1.50, PORTS: 0x10, BIG: 12345678901234567890, NONE: ~, TEXT: 010x}
resources: {cpu: 2, memory: 512Mi, accelerator: {accelerator: A100, count: 2}, use_gpu: false}
runtime: {num_workers: 1, predict_concurrency: "4", is_websocket_endpoint: true}
hf_cache:
  - repo_id: owner/name
`,
      python,
    );
    assert.equal(truss.pythonVersion, "py310");
    assert.equal(truss.specVersion, "2.0");
    assert.deepEqual(truss.requirements, []);
    assert.deepEqual(truss.environmentVariables, {
      ON: "true",
      RATE: "1.5",
      PORTS: "16",
      BIG: "12345678901234567890",
      NONE: "None",
      TEXT: "010x",
    });
    assert.equal(truss.resources.cpu, "2");
    assert.deepEqual(truss.resources.accelerator, { name: "A100", count: 2 });
    assert.equal(truss.runtime.predictConcurrency, 4);
    assert.deepEqual(truss.runtime.transport, { kind: "websocket" });
    assert.deepEqual(truss.modelCache, [
      {
        repoId: "owner/name",
        revision: "",
        useVolume: false,
        kind: "hf",
        runtimeSecretName: "hf_access_token",
      },
    ]);
    for (const [written, version] of [
      ["py311", "py311"],
      ["'3.9'", "py39"],
      ["python3.12", "py312"],
    ]) {
      assert.equal(parseConfig(`python_version: ${written}`, python).truss.pythonVersion, version);
    }
  });

  it("keep their place and their name in messages", () => {
    const { errors } = refusal("model_name: a\nhf_cache:\n  - repo: owner/name\n");
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      ["/hf_cache/0/repo_id", "/hf_cache/0/repo"],
    );
    assert.match(errors[1]!.message, /^config\.yaml line 3: /);
    assert.match(refusal("runtime: {num_workers: 2}").message, /num_workers is 2; it must be 1/);
  });
});

describe("fields", () => {
  it("have Truss's defaults", () => {
    const { truss } = parseConfig("", python);
    assert.equal(truss.pythonVersion, "py313");
    assert.equal(truss.dataDir, "data");
    assert.equal(truss.bundledPackagesDir, "packages");
    assert.deepEqual(truss.runtime, {
      predictConcurrency: 1,
      streamingReadTimeout: 60,
      enableTracingData: false,
      enableDebugLogs: false,
      transport: { kind: "http" },
      healthChecks: {},
      oidc: {},
      remoteSsh: { enabled: false },
    });
    assert.deepEqual(truss.resources, { cpu: "1", memory: "2Gi" });
  });

  it("that need or exclude one another say so, all at once, each with its line", () => {
    const text = `requirements: [a]
requirements_file: requirements.txt
model_cache:
  - {repo_id: o/n, use_volume: true}
weights:
  - {source: "hf://o/n@main", mount_location: /w}
  - {source: "s3://b/p", mount_location: /w/, auth: {auth_method: aws_oidc, aws_oidc_region: r}}
runtime: {transport: {kind: http, ping_timeout_seconds: 3}}
`;
    const { errors } = refusal(text);
    assert.deepEqual(
      errors.map(({ pointer, message }) => [pointer, /line (\d+)/.exec(message)?.[1]]),
      [
        ["/requirements_file", "2"],
        ["/model_cache", "3"],
        ["/model_cache/0", "4"],
        ["/model_cache/0", "4"],
        ["/weights/1/mount_location", "7"],
        ["/weights/1/auth/aws_oidc_role_arn", "7"],
        ["/runtime/transport/ping_timeout_seconds", "8"],
        ["/requirements_file", "2"],
        ["/weights/1/source", "7"],
        ["/weights/1/auth/auth_method", "7"],
      ],
    );
    const alone = refusal("docker_server: {server_port: 0, predict_endpoint: /, liveness_endpoint: /}\n", []);
    assert.deepEqual(
      alone.errors.map(({ pointer }) => pointer),
      ["/docker_server/server_port", "/docker_server/readiness_endpoint"],
    );
  });

  it("out of their range name the field, the value and what to write", () => {
    const cases: readonly [string, RegExp][] = [
      ["python_version: two", /python_version is "two"; it must look like py311\./],
      ["resources: {cpu: many}", /resources\.cpu is "many"; it must be a number of cores such as 2/],
      ["resources: {memory: 2Qi}", /resources\.memory is "2Qi"; it must be a number with a unit such as 2Gi/],
      ["resources: {accelerator: P100}", /resources\.accelerator is "P100"; it must be one of T4, L4/],
      ["resources: {accelerator: 'L4:0'}", /it must have a count of at least 1/],
      ["runtime: {predict_concurrency: 0}", /predict_concurrency is 0; it must be at least 1/],
      ["runtime: {transport: {kind: tcp}}", /kind is "tcp"; it must be one of http, websocket, grpc/],
      [
        "weights: [{source: owner/name, mount_location: /w}]",
        /source is "owner\/name"; it must begin with hf:/,
      ],
      [
        "weights: [{source: 'hf://o/n', mount_location: w}]",
        /mount_location is "w"; it must be an absolute path/,
      ],
      [
        "external_data: [{url: u, local_data_path: ../x}]",
        /local_data_path is "\.\.\/x"; it must be a path inside/,
      ],
      ["data_dir: /etc", /data_dir is "\/etc"; it must be a path inside the directory/],
      ["secrets: {a/b: x}", /secrets\.a\/b: the name must be made of letters/],
      ["build: {no_cache: true}", /build\.no_cache is true; it must be false/],
      ["model_class_name: A b", /it must be the name of a class/],
      ["requirements: numpy", /requirements is "numpy"; it must be a list/],
      ["requirements: [[a]]", /requirements\.0 is a list; it must be a string/],
    ];
    for (const [text, message] of cases) assert.match(refusal(`${text}\n`).message, message, text);
  });

  it("without effect are listed by what answers, the others not", () => {
    const text = `
python_version: py311
system_packages: [tesseract-ocr]
resources: {cpu: "4", instance_type: L4:4x16, node_count: 2, use_gpu: true}
runtime: {predict_concurrency: 4, remote_ssh: {enabled: true}, enable_tracing_data: false}
environment_variables: {PORT: 80, OTHER: x}
base_image: {image: nvcr.io/x}
live_reload: true
model_type: Model
model_framework: sklearn
`;
    const listed = (paths: readonly string[], more = "") =>
      parseConfig(text + more, paths).withoutEffect.map(({ field }) => field);
    assert.deepEqual(listed(python), [
      "system_packages",
      "resources.cpu",
      "resources.instance_type",
      "resources.node_count",
      "resources.use_gpu",
      "runtime.remote_ssh",
      "environment_variables.PORT",
      "base_image",
      "live_reload",
      "model_framework",
    ]);
    assert.deepEqual(listed(typescript), ["python_version", ...listed(python)]);
    assert.deepEqual(listed([], "model_metadata: {corral: {weights: w}}\n"), [
      "python_version",
      "system_packages",
      "resources",
      "runtime",
      "environment_variables",
      "base_image",
      "live_reload",
      "model_framework",
    ]);
    const { withoutEffect } = parseConfig(text, python);
    assert.deepEqual(withoutEffect[0], {
      field: "system_packages",
      line: 3,
      reason: "No image is built here. Install what the model needs on the machine, with apt for example.",
    });
  });

  it("that no code could do without are refused by name", () => {
    assert.match(
      refusal("trt_llm: {build: {base_model: llama}}").message,
      /trt_llm is not supported here\. Code is/,
    );
    const downloads = refusal(
      "external_data: [{url: u, local_data_path: p}]\nmodel_metadata: {corral: {weights: w}}",
      [],
    );
    assert.match(
      downloads.message,
      /external_data is not supported here\. Downloads are not made for weights alone/,
    );
  });
});

it("a model that trt_llm names is served by Corral's engine, where nothing else is named", () => {
  const named = (more: string) =>
    `trt_llm: {build: {checkpoint_repository: {source: HF, repo: owner/name${more}}, max_seq_len: 4096}}\n`;
  const { config, answerer, withoutEffect } = parseConfig(named(", revision: abc"));
  assert.deepEqual([config.weights, answerer], ["owner/name@abc", "weights"]);
  assert.deepEqual(
    withoutEffect.map(({ field }) => field),
    ["trt_llm"],
  );
  const own = "model_metadata: {corral: {weights: corral-tiny-3, slots: 2}}\n";
  assert.equal(parseConfig(named("") + own).config.weights, "corral-tiny-3");
  const settings = parseConfig(`${named("")}model_metadata: {corral: {slots: 2}}\n`).config;
  assert.deepEqual([settings.weights, settings.limits.slotCount], ["owner/name", 2]);
  const other = refusal("trt_llm: {build: {checkpoint_repository: {source: GCS, repo: gs://b/p}}}\n", []);
  assert.deepEqual(
    other.errors.map(({ pointer, code }) => [pointer, code]),
    [["/trt_llm", "unsupported_parameter"]],
  );
  assert.match(other.message, /names no repository of the Hugging Face hub/);
});

it("a secret in the config is refused, and no message shows it", () => {
  const token = `hf_${"a1".repeat(20)}`;
  const error = refusal(
    `secrets: {a: "${token}", b: "ENTER YOUR TOKEN", c: null}\nenvironment_variables: {T: "${token}"}\n`,
  );
  assert.deepEqual(
    error.errors.map(({ pointer }) => pointer),
    ["/secrets/a", "/environment_variables/T"],
  );
  assert.match(error.message, /line 1: secrets\.a holds a Hugging Face token by its form/);
  assert.ok(!error.message.includes(token));
});

it("amounts are numbers", () => {
  assert.deepEqual(["2Gi", "1k", "1.5G", "100", "0.5Ki"].map(memoryBytes), [
    2 ** 31,
    1000,
    1_500_000_000,
    100,
    512,
  ]);
  assert.deepEqual(["2", "500m", "0.25"].map(cpuCount), [2, 0.5, 0.25]);
});

it("the config that a model class sees is read again as the same", () => {
  const text = `
model_name: a
model_metadata: {tags: [x], corral: {weights: w}}
resources: {accelerator: "H100:8", node_count: 2}
runtime: {transport: {kind: websocket, ping_interval_seconds: 2.5}, health_checks: {restart_threshold_seconds: 60}}
external_data: [{url: u, local_data_path: p, name: n}]
weights: [{source: "hf://o/n", mount_location: /w, auth_secret_name: s}]
secrets: {s: null}
build: {arguments: {some_key: {inner_key: 1}}}
`;
  const { config, truss } = parseConfig(text, python);
  const expanded = expandedTrussConfig(config, truss);
  assert.deepEqual(expanded["model_metadata"], { tags: ["x"] });
  assert.equal((expanded["resources"] as { accelerator: string }).accelerator, "H100:8");
  const again = parseConfig(JSON.stringify(expanded), python);
  assert.deepEqual(again.truss, truss);
  assert.deepEqual(expandedTrussConfig(again.config, again.truss), expanded);
});

it("files of other places than a hub are refused for Python code, each with its place", () => {
  const error = refusal(`
model_cache:
  - {repo_id: a/b}
  - {repo_id: gs://bucket, kind: gcs}
`);
  assert.deepEqual(
    error.errors.map(({ pointer, code }) => [pointer, code]),
    [["/model_cache/1/kind", "unsupported_parameter"]],
  );
  assert.match(
    error.message,
    /line 4: kind gcs is not supported here: only a Hugging Face hub is read\. .*external_data/,
  );
  const mounted = refusal(
    "weights:\n  - {source: 's3://bucket/key', mount_location: /w}\n  - {source: 'hf://a/b', mount_location: /v, auth: {auth_method: AWS_OIDC, aws_oidc_role_arn: r, aws_oidc_region: e}}\n",
  );
  assert.deepEqual(
    mounted.errors.map(({ pointer }) => pointer),
    ["/weights/0/source", "/weights/1/auth/auth_method"],
  );
});

it("what only an image could do is listed with what helps instead", () => {
  const { withoutEffect } = parseConfig("build_commands: [make it]\nsystem_packages: [ffmpeg]\n", python);
  assert.deepEqual(
    withoutEffect.map(({ field, line }) => [field, line]),
    [
      ["build_commands", 1],
      ["system_packages", 2],
    ],
  );
  assert.match(withoutEffect[1]?.reason ?? "", /apt/);
});

describe("mistakes that a replica would otherwise find", () => {
  it("are amounts that no process or timer can have", () => {
    const cases: readonly [string, RegExp][] = [
      ["resources: {memory: '0'}", /line 1: resources\.memory is "0"; it must be at least 64Mi/],
      [
        "resources: {memory: 4}",
        /resources\.memory is "4"; .* a number without a unit is bytes, so 4 GiB is 4Gi/,
      ],
      ["resources: {memory: 9Ei}", /must be below 8Pi/],
      ["runtime: {streaming_read_timeout: 2147484}", /is 2147484; it must be at most 2147483/],
      ["runtime: {health_checks: {startup_threshold_seconds: 0}}", /is 0; it must be at least 1/],
      ["runtime: {health_checks: {startup_threshold_seconds: 2147484}}", /must be at most 2147483/],
    ];
    for (const [text, message] of cases) assert.match(refusal(text).message, message);
    assert.equal(parseConfig("resources: {memory: 64Mi}", python).truss.resources.memory, "64Mi");
  });

  it("are at most a hundred, however many there are", () => {
    const text = Array.from({ length: 5_000 }, (_, index) => `unknown${index}: 1\n`).join("");
    assert.equal(refusal(text).errors.length, 100);
  });

  it("are an empty server and settings of code that is not there", () => {
    assert.match(refusal("docker_server: {}").message, /docker_server\.server_port is required/);
    const strict = "model_metadata: {corral: {strict_python: true}}";
    for (const paths of [typescript, [...typescript, "extra.py"]])
      assert.match(refusal(strict, paths).message, /strict_python is about code in Python/);
    assert.match(refusal(`${server}${strict}`).message, /strict_python is about code in Python/);
    const resources = "model_metadata: {corral: {strict_resources: true}}";
    assert.match(
      refusal(resources).message,
      /strict_resources is about resources\.accelerator, which is not/,
    );
    const { config } = parseConfig(`${resources}\nresources: {accelerator: L4}`, python);
    assert.equal(config.strictResources, true);
  });
});

describe("the file with the code", () => {
  const both = [...python, ...typescript];
  it("is the one that is named, also where it is the one that Truss would take", () => {
    assert.equal(parseConfig("model_class_filename: model.py", both).code?.kind, "python");
    assert.equal(parseConfig("model_class_filename: model.py", typescript).code?.kind, "typescript");
  });

  it("is the one mistake where it cannot be told", () => {
    for (const paths of [["model/helper.py"], both]) {
      const settings =
        "model_metadata: {corral: {strict_python: true}}\nexternal_data: [{url: u, local_data_path: p}]";
      for (const text of ["", settings]) {
        const { errors } = refusal(text, paths);
        assert.deepEqual(
          errors.map(({ pointer }) => pointer),
          ["/model_class_filename"],
        );
      }
    }
  });
});

it("hf_cache is read beside an empty model_cache", () => {
  const { truss } = parseConfig("hf_cache: [{repo_id: owner/name}]\nmodel_cache: []", python);
  assert.equal(truss.modelCache[0]?.repoId, "owner/name");
});

it("values of secrets and variables stand in no message", () => {
  for (const text of [
    "secrets: hunter2hunter2",
    "secrets: {a: [hunter2hunter2]}",
    "environment_variables: hunter2hunter2",
    "environment_variables: {A: {b: hunter2hunter2}}",
  ]) {
    const { message } = refusal(text);
    assert.ok(!message.includes("hunter2"), message);
    assert.match(message, /^config\.yaml line 1: (secrets|environment_variables)/);
  }
});

it("variables that Corral sets itself are said to have no effect", () => {
  const text = "environment_variables: {PORT: '99', HOME: /x, TMPDIR: /y, HOSTNAME: h, OTHER: z}";
  assert.deepEqual(
    parseConfig(text, python).withoutEffect.map(({ field }) => field.replace("environment_variables.", "")),
    ["PORT", "HOME", "TMPDIR", "HOSTNAME"],
  );
});

it("text of a variable that a merge key brings is as it is written", () => {
  const text = "model_metadata: {base: &b {V: 2.0}}\nenvironment_variables: {<<: *b}";
  assert.deepEqual(parseConfig(text, python).truss.environmentVariables, { V: "2.0" });
});

it("a secret is found wherever it stands in the config", () => {
  const token = `hf_${"a1".repeat(20)}`;
  const error = refusal(
    `build_commands: ["curl -H ${token} u"]\nmodel_metadata: {a: {b: [x, ${token}], ${token}: 1}}\n` +
      `external_data: [{url: "https://u?t=${token}", local_data_path: p}]\nbuild: {arguments: {k: ${token}}}\n`,
  );
  assert.deepEqual(
    error.errors.map(({ pointer }) => pointer),
    [
      "/build_commands/0",
      "/model_metadata/a/b/1",
      "/model_metadata/a",
      "/external_data/0/url",
      "/build/arguments/k",
    ],
  );
  assert.ok(!error.message.includes(token));
});
