"""The echo model in the server of truss, laid out as in the image that it builds: python truss_server.py PORT DIRECTORY."""

import os
import shutil
import sys
from pathlib import Path

import truss
import yaml
from truss.base.truss_config import TrussConfig

port, directory = sys.argv[1], Path(sys.argv[2])
templates = Path(truss.__file__).parent / "templates"
shutil.copytree(templates / "server", directory)
shutil.copytree(templates / "shared", directory / "_truss_shared")
shutil.copytree(Path(__file__).parent / "python" / "model", directory / "model")
config = TrussConfig.model_validate({"model_name": "echo"})
(directory / "config.yaml").write_text(yaml.safe_dump(config.to_dict(verbose=True)))
os.chdir(directory)
os.environ["INFERENCE_SERVER_PORT"] = port
os.execv(sys.executable, [sys.executable, "main.py"])
