"""Records the signature that the Truss command makes of a directory.

Usage: python record_truss_signature.py OUTPUT, with the packages of requirements-truss.txt.
"""

import importlib.metadata
import json
import pathlib
import sys
import tempfile

from truss.truss_handle.patch.dir_signature import directory_content_signature

FILES = {
    "config.yaml": "model_name: m\nrequirements_file: requirements.txt\n",
    "model/model.py": "class Model: pass\n",
    "model/__init__.py": "",
    "data/deep/x.bin": "abc" * 50_000,
    "data/ü.txt": "grün\n",
    "requirements.txt": "numpy\n# a note\nrequests==2 # pinned\n\n",
}


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
    }
    record["files"] = {**FILES, "data/deep/x.bin": {"repeat": "abc", "count": 50_000}}
    pathlib.Path(output).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


main(sys.argv[1])
