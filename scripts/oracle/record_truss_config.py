"""Records how the real truss reads config.yaml, which files it packs, and what PyYAML takes for numbers.

python record_truss_config.py [RECORD ...], in an environment with requirements-truss.txt; without names all three. The configs of truss's own test models are
kept as the data that PyYAML read, not as text.
"""

import contextlib
import io
import itertools
import json
import logging
import random
import sys
import tempfile
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pathspec
import yaml

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "packages/bundle/test-data/oracle"
TRUSS = Path(find_spec("truss").origin).parent
TEST_DATA = TRUSS / "tests/test_data"

# Texts of our own: what a config may say, one thing each.
WRITTEN = {
    "nothing": "{}",
    "accelerator": "resources: {accelerator: 'H100:8', node_count: 2, instance_type: 'L4:4x16', cpu: 500m, memory: 1.5Gi}",
    "accelerator as a map": "resources: {accelerator: {accelerator: A100, count: 2}}",
    "accelerator null": "resources: {accelerator: null, use_gpu: true}",
    "unknown accelerator": "resources: {accelerator: P100}",
    "accelerator without count": "resources: {accelerator: 'L4:0'}",
    "cpu wrong": "resources: {cpu: many}",
    "memory wrong": "resources: {memory: 2Qi}",
    "memory plain": "resources: {memory: '1000'}",
    "environment": "environment_variables: {A: yes, B: 1.0, C: 1e3, D: 0x10, E: 010, F: ~, G: 1:30, H: 1.50, I: -0.0, J: 1.0e+20, K: 2020-01-01, L: 12345678901234567890, M: .5, N: off, O: 0.00001}",
    "requirements twice": "requirements: [a]\nrequirements_file: requirements.txt",
    "requirements file": "requirements_file: ./requirements.txt",
    "caches twice": "model_cache: [{repo_id: a/b, use_volume: false}]\nweights: [{source: 'hf://a/b', mount_location: /w}]",
    "hf_cache": "hf_cache: [{repo_id: a/b, use_volume: false}]",
    "cache": "model_cache: [{repo_id: a/b, revision: main, allow_patterns: ['*.json'], use_volume: true, volume_folder: f, kind: gcs}]",
    "cache without folder": "model_cache: [{repo_id: a/b, revision: main, use_volume: true}]",
    "weights": "weights: [{source: 'hf://a/b@main', mount_location: /w, allow_patterns: ['*']}, {source: 's3://b/p', mount_location: /x, auth: {auth_method: custom_secret, auth_secret_name: s}}]",
    "weights relative": "weights: [{source: 'hf://a/b', mount_location: w}]",
    "weights twice in a place": "weights: [{source: 'hf://a/b', mount_location: /w}, {source: 'hf://a/c', mount_location: /w}]",
    "weights without scheme": "weights: [{source: a/b, mount_location: /w}]",
    "weights with @ elsewhere": "weights: [{source: 's3://a/b@c', mount_location: /w}]",
    "weights cw": "weights: [{source: 'cw://a/b', mount_location: /w}]",
    "weights auth incomplete": "weights: [{source: 's3://a/b', mount_location: /w, auth: {auth_method: AWS_OIDC, aws_oidc_region: r}}]",
    "transport": "runtime: {transport: {kind: websocket, ping_interval_seconds: 2.5}}",
    "transport grpc": "runtime: {transport: {kind: grpc}}",
    "transport empty": "runtime: {transport: {}}",
    "transport unknown": "runtime: {transport: {kind: tcp}}",
    "old websocket": "runtime: {is_websocket_endpoint: true}",
    "one worker": "runtime: {num_workers: 1}",
    "two workers": "runtime: {num_workers: 2}",
    "concurrency as text": "runtime: {predict_concurrency: '4'}",
    "health": "runtime: {health_checks: {restart_check_delay_seconds: 5, startup_threshold_seconds: 600}, streaming_read_timeout: 5, enable_debug_logs: true}",
    "server": "docker_server: {start_command: x, server_port: 8000, predict_endpoint: /p, readiness_endpoint: /r, liveness_endpoint: /l, run_as_user_id: 1000}",
    "server without command": "docker_server: {server_port: 8000, predict_endpoint: /p, readiness_endpoint: /r, liveness_endpoint: /l}",
    "server not built": "docker_server: {no_build: true, server_port: 8000, predict_endpoint: /p, readiness_endpoint: /r, liveness_endpoint: /l}",
    "server as root": "docker_server: {start_command: x, server_port: 8000, predict_endpoint: /p, readiness_endpoint: /r, liveness_endpoint: /l, run_as_user_id: 0}",
    "server at 8080": "docker_server: {start_command: x, server_port: 8080, predict_endpoint: /p, readiness_endpoint: /r, liveness_endpoint: /l}",
    "external data": "external_data: [{url: 'http://a', local_data_path: p}]",
    "external data empty": "external_data: []",
    "base image": "base_image: {image: i, python_executable_path: /usr/bin/python3, docker_auth: {auth_method: gcp_service_account_json, secret_name: s, registry: r}}",
    "base image relative": "base_image: {image: i, python_executable_path: bin/python}",
    "build": "build: {arguments: {some_key: 1}, secret_to_path_mapping: {a: /b}, model_server: TrussServer}",
    "build secret": "build: {secret_to_path_mapping: {a/b: /b}}",
    "no cache": "build: {no_cache: true}",
    "python version": "python_version: py311",
    "python version of 2024": "python_version: py38",
    "spec version as text": "spec_version: '2.0'",
    "spec version as a number": "spec_version: 2.0",
    "null lists": "requirements: null",
    "null secrets": "secrets: {a: null, b: x}",
    "model class": "model_module_dir: src\nmodel_class_filename: chat.py\nmodel_class_name: Chat\ndata_dir: files\nbundled_packages_dir: libs",
    "unknown key": "model_nam: x",
    "unknown key below": "resources: {cpus: 2}",
    "training": "training_checkpoints: {download_folder: /t, artifact_references: [{training_job_id: j, paths: ['*']}]}",
    "ssh": "runtime: {remote_ssh: {enabled: true}}",
    "metadata": "model_metadata: {tags: [openai-compatible], example_model_input: {prompt: a}, n: 1}",
    "live reload": "live_reload: true\napply_library_patches: false\nuse_local_src: true\ncache_internal: [{repo_id: a/b}]",
}

SCALARS = """0 1 -1 +1 00 01 08 010 0o10 0x10 0X10 0xfF 0b11 0b 0x 1_000 _1 1_ 1:30 1:60 12:30:45 1.5 1. .5 -.5 +.5 1.0e3 1.0e+3 1e3
1.5E-10 1e+3 .inf -.inf +.Inf .INF .nan .NaN .Nan inf nan ~ null Null NULL nul yes Yes YES yEs no on On ON off y Y n N true True TRUE
tRue false 1:30.5 -1:30 0.1 1e16 1.0e+16 1.0e+15 0.0001 0.00001 123456789012345678 12345678901234567890 1.50 100.0 -0.0 -0 0.30000000000000004
2020-01-01 0.5.5 + .""".split()


def loaded_quietly(path: Path):
    # Only here: the other two records need no truss.
    from truss.base.truss_config import TrussConfig

    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        return TrussConfig.from_yaml(path)


def outcome(text: str) -> dict:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "config.yaml"
        path.write_text(text)
        try:
            config = loaded_quietly(path)
        except Exception as error:
            return {"refused": type(error).__name__}
        try:
            config.validate_forbid_extra()
        except Exception as error:
            return {"refused": f"{type(error).__name__} at push"}
        return {"expanded": json.loads(json.dumps(config.to_dict(verbose=True), default=str))}


def configs() -> list[dict]:
    found = [
        {"name": str(path.relative_to(TEST_DATA).parent if path.name == "config.yaml" else path.relative_to(TEST_DATA)),
         "config": json.dumps(yaml.safe_load(path.read_text()) or {}, default=str)}
        for path in sorted(TEST_DATA.rglob("*.yaml"))
        if path.name == "config.yaml" or path.parent.name == "docker_server_start_command"
    ]
    written = [{"name": name, "config": text} for name, text in WRITTEN.items()]
    return [{**case, **outcome(case["config"])} for case in found + written]


def scalars() -> list[dict]:
    cases = []
    for text in SCALARS:
        try:
            value = yaml.safe_load(f"[{text}]" if text != "," else text)[0]
        except yaml.YAMLError:
            continue
        kind = type(value).__name__
        cases.append({"text": text, "kind": kind, "str": str(value)})
    return cases


def ignored() -> dict:
    rng = random.Random(7)
    parts = ["a", "b", "ab", "*", "**", "?", "[ab]", "a*", "*b"]
    names = ["a", "b", "ab", "ba", "c"]
    paths = ["/".join(path) for depth in (1, 2, 3) for path in itertools.product(names[:4], repeat=depth)][:120]
    cases = []
    for _ in range(600):
        lines = []
        for _ in range(rng.randrange(1, 4)):
            line = "/".join(rng.choice(parts) for _ in range(rng.randrange(1, 4)))
            line = rng.choice(["", "", "", "/"]) + line + rng.choice(["", "", "/"])
            lines.append(rng.choice(["", "", "!"]) + line)
        try:
            spec = pathspec.PathSpec.from_lines(pathspec.patterns.GitWildMatchPattern, lines)
        except ValueError:
            continue
        asked = rng.sample(paths, 12)
        cases.append({"lines": lines, "ignored": [path for path in asked if spec.match_file(path)], "asked": asked})
    lines = (TRUSS / "util/.truss_ignore").read_text().splitlines()
    built_in = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {"built_in": built_in, "cases": cases}


def main() -> None:
    logging.disable(logging.CRITICAL)
    origin = {
        "script": "scripts/oracle/record_truss_config.py",
        "truss": version("truss"),
        "PyYAML": version("PyYAML"),
        "pathspec": version("pathspec"),
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    records = {
        "truss-configs": lambda: {"cases": configs()},
        "yaml-scalars": lambda: {"cases": scalars()},
        "truss-ignore": ignored,
    }
    for name in sys.argv[1:] or records:
        record = records[name]()
        path = RECORDS / f"{name}.json"
        path.write_text(json.dumps({"origin": origin, **record}, ensure_ascii=False, indent=1) + "\n")
        print(path.relative_to(ROOT), path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
