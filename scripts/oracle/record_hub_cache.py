"""Records what huggingface_hub asks of a hub and how it lays out its cache, against the fake hub of the tests.

python record_hub_cache.py NODE, with the path of a Node 24. Both directions were also tried by hand with it: what
`fetchFromHub` writes, `hf_hub_download(..., local_files_only=True)` and `snapshot_download` find.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "packages/weights/src/hub/test-data/python-cache.json"
FILES = {
    "config.json": b'{"architectures": ["LlamaForCausalLM"]}\n',
    "additional_chat_templates/tool.jinja": b"{{ messages }}",
    "model.safetensors": bytes(at * at % 251 for at in range(3000)),
    "pytorch_model.bin": b"not wanted",
    "tokenizer.model": b"\x00spm\xff",
}
WANTED = ["*.json", "*.safetensors", "tokenizer*", "additional_chat_templates/*"]
# What differs from run to run.
HEADERS = ["accept", "accept-encoding", "authorization", "range", "if-range"]
VARIABLES = [
    {},
    {"XDG_CACHE_HOME": "/c"},
    {"HF_HOME": "/h"},
    {"HF_HOME": "~/h"},
    {"HF_HOME": "$DISK/${PART}/x", "DISK": "/d", "PART": "p"},
    {"HF_HOME": "/h", "HUGGINGFACE_HUB_CACHE": "/old"},
    {"HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"},
    {"HF_HUB_OFFLINE": "yes"},
    {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"},
    {"HF_HUB_OFFLINE": "off"},
    {"HF_ENDPOINT": "http://mirror/"},
    {"HF_TOKEN": " hf_a\n", "HUGGING_FACE_HUB_TOKEN": "hf_b"},
    {"HUGGING_FACE_HUB_TOKEN": "hf_b"},
]

CONSTANTS = """
import json
from huggingface_hub import constants, get_token
print(json.dumps({"cache": constants.HF_HUB_CACHE, "offline": constants.HF_HUB_OFFLINE,
                  "endpoint": constants.ENDPOINT, "token": get_token()}))
"""
DOWNLOAD = """
import sys
from huggingface_hub import hf_hub_download, snapshot_download
hf_hub_download("owner/name", "config.json")
snapshot_download("owner/name", allow_patterns=sys.argv[1].split(","))
"""
REFUSED = """
import sys
from huggingface_hub import hf_hub_download
try:
    hf_hub_download(*sys.argv[1:3], revision=sys.argv[3])
except Exception as error:
    print(type(error).__name__, end="")
"""
REFUSALS = [
    {"repository": "owner/gated", "file": "config.json", "revision": "main", "token": None},
    {"repository": "owner/gated", "file": "config.json", "revision": "main", "token": "hf_other"},
    {"repository": "owner/none", "file": "config.json", "revision": "main", "token": None},
    {"repository": "owner/none", "file": "config.json", "revision": "main", "token": "hf_other"},
    {"repository": "owner/name", "file": "config.json", "revision": "v9", "token": None},
    {"repository": "owner/name", "file": "none.gguf", "revision": "main", "token": None},
    {"repository": "owner/name", "file": "config.json", "revision": "main", "token": "refused"},
]


def python(code: str, environment: dict, *arguments: str) -> str:
    plain = {name: os.environ[name] for name in ("PATH",)}
    run = [sys.executable, "-c", code, *arguments]
    return subprocess.run(run, env=plain | environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def describe(path: Path) -> dict:
    if path.is_symlink():
        return {"link": os.readlink(path)}
    content = path.read_bytes()
    if path.parent.name in ("refs", "trees"):
        return {"text": content.decode()}
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def main() -> None:
    import huggingface_hub

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        for name, content in FILES.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
        command = [sys.argv[1], "scripts/fake-hub.ts", f"owner/name={source}", f"owner/gated={source}"]
        command += ["--gated", "owner/gated"]
        hub = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        endpoint = hub.stdout.readline().strip().split("=")[1]
        home = Path(folder, "home")
        variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_TOKEN": "hf_test", "HOME": folder}
        python(DOWNLOAD, variables, ",".join(WANTED))
        refusals = []
        for each in REFUSALS:
            other = {**variables, "HF_HOME": str(Path(folder, "other")), "HF_TOKEN": each["token"] or ""}
            said = python(REFUSED, other, each["repository"], each["file"], each["revision"])
            refusals.append(each | {"python": said})
        hub.terminate()
        requests = []
        for line in hub.stdout:
            request = json.loads(line)
            if request["headers"].get("authorization") != "Bearer hf_test" and request["server"] == "hub":
                continue
            headers = {name: request["headers"][name] for name in HEADERS if name in request["headers"]}
            requests.append({key: request[key] for key in ("server", "method", "path", "status")} | {"headers": headers})
        cache = home / "hub/models--owner--name"
        entries = {str(path.relative_to(cache)): describe(path) for path in sorted(cache.rglob("*")) if not path.is_dir()}

    record = {
        "recorded_with": {"huggingface_hub": huggingface_hub.__version__, "script": "scripts/oracle/record_hub_cache.py"},
        "files": {name: base64.b64encode(content).decode() for name, content in FILES.items()},
        "cache": entries,
        "requests": requests,
        "refusals": refusals,
        "constants": [
            {"variables": each, "read": json.loads(python(CONSTANTS, {"HOME": "/home/me"} | each))} for each in VARIABLES
        ],
    }
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(f"{len(entries)} entries, {len(requests)} requests, {len(record['constants'])} environments")


if __name__ == "__main__":
    main()
