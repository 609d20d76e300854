"""Records the signature that the Truss command makes of a directory.

Usage: python record_truss_signature.py OUTPUT, with the packages of requirements-truss.txt.
"""

import importlib.metadata
import json
import pathlib
import sys
import tempfile

from truss.base.truss_config import TrussConfig
from truss.truss_handle.patch.dir_signature import directory_content_signature

FILES = {
    "config.yaml": "model_name: m\nrequirements_file: requirements.txt\n",
    "model/model.py": "class Model: pass\n",
    "model/__init__.py": "",
    "data/deep/x.bin": "abc" * 50_000,
    "data/ü.txt": "grün\n",
    "requirements.txt": "numpy\n# a note\nrequests==2 # pinned\n\n",
}


# A requirements file, by its name: what the command reads of it.
REQUIREMENTS = {
    "requirements.txt": "numpy\n  # a note\n--extra-index-url https://example.org/simple\n-r other.txt\r\n"
    "requests==2 # pinned\n\n  torch  \ngit+https://example.org/x.git@v1#egg=x\n./local\n",
    "deep/requirements-gpu.txt": "a\n-e .\n",
    "pyproject.toml": '''# of a project
title = "not this"
[project]
name = 'demo'
version = "1.0"
requires-python = ">=3.10"
dependencies = [
  "numpy>=1.26,<3", # a note ] in it
  'requests[socks] == 2.*; python_version < "3.13"',
  "torch @ https://example.org/torch.whl",
  "./local", "not a requirement", "",
  "ruff (>=0.1)", "uni\u0063ode",
]
optional-dependencies.dev = ["pytest"]
[project.scripts]
dependencies = "none of these"
[tool.uv]
dev-dependencies = [{ a = [1, 2.5, true] }, "x"]
[[tool.list]]
when = 1979-05-27 07:32:00Z
text = \"\"\"
[project]
dependencies = ["no"]\"\"\"
''',
    "app/uv.lock": "version = 1\n",
}


def requirements_of(name, text):
    with tempfile.TemporaryDirectory() as place:
        root = pathlib.Path(place)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
        if name.endswith("uv.lock"):
            (root / name).with_name("pyproject.toml").write_text(REQUIREMENTS["pyproject.toml"], encoding="utf-8")
        (root / "config.yaml").write_text(f"requirements_file: {name}\n")
        return TrussConfig.load_requirements_file_from_filepath(root / "config.yaml")


def main(output: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, text in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        hashes = directory_content_signature(root, [])
    record = {
        "truss": importlib.metadata.version("truss"),
        "script": "scripts/oracle/record_truss_signature.py",
        "files": FILES,
        "content_hashes_by_path": hashes,
        "requirements": [
            {"file": name, "text": text, "read": requirements_of(name, text)} for name, text in REQUIREMENTS.items()
        ],
    }
    record["files"] = {**FILES, "data/deep/x.bin": {"repeat": "abc", "count": 50_000}}
    pathlib.Path(output).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


main(sys.argv[1])
