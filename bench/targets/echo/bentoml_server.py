"""The echo model in BentoML, one worker: python bentoml_server.py PORT DIRECTORY."""

import os
import sys
from pathlib import Path

directory = Path(sys.argv[2])
directory.mkdir(parents=True)
(directory / "service.py").write_text(
    """
from typing import Any

import bentoml


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Echo:
    @bentoml.api
    async def predict(self, root: dict[str, Any], /) -> dict[str, Any]:
        return root
"""
)
command = ["bentoml", "serve", "service:Echo", "--host", "127.0.0.1", "--port", sys.argv[1], "--api-workers", "1"]
os.chdir(directory)
os.environ["BENTOML_HOME"] = str(directory / "home")
os.execv(sys.executable, [sys.executable, "-m", *command])
