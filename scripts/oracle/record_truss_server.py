"""Records what the real Truss server answers for the small models of packages/runtime/test-data/truss.

python record_truss_server.py, in an environment with requirements-truss-server.txt. Each model is laid out as in the image that
Truss builds, and its server is started as a plain process with the same interpreter.
"""

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import truss
import yaml
from truss.base.truss_config import TrussConfig

DATA = Path(__file__).resolve().parents[2] / "packages/runtime/test-data/truss"
TEMPLATES = Path(truss.__file__).parent / "templates"
#: Of the answer: what the server of the connection adds is none of Truss's.
LEFT_OUT = {"date", "server", "connection"}


def lay_out(name: str, model: dict, app: Path) -> None:
    shutil.copytree(TEMPLATES / "server", app)
    shutil.copytree(TEMPLATES / "shared", app / "_truss_shared")
    shutil.copytree(DATA / "models" / name, app / "model")
    (app / "model" / "__init__.py").touch()
    for path, text in model.get("files", {}).items():
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).write_text(text)
    config = TrussConfig.model_validate({"model_name": name, **model.get("config", {})})
    (app / "config.yaml").write_text(yaml.safe_dump(config.to_dict(verbose=True)))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(app: Path, model: dict, port: int) -> subprocess.Popen:
    config = model.get("config", {})
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(app),
        "INFERENCE_SERVER_PORT": str(port),
        # What the image has as /packages, which is no place for a test.
        "PYTHONPATH": str(app / "packages"),
        **config.get("environment_variables", {}),
        **{"TRUSS_SECRET_" + name: value for name, value in model.get("secrets", {}).items()},
    }
    return subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=app,
        env=environment,
        stdout=(app / "out.log").open("w"),
        stderr=subprocess.STDOUT,
    )


def send(port: int, call: dict) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = base64.b64decode(call["body_base64"]) if "body_base64" in call else call.get("body", "").encode()
    method = call.get("method", "POST")
    headers = {"content-type": "application/json"} if method == "POST" else {}
    headers |= call.get("headers", {})
    connection.request(method, call.get("path", "/v1/models/model:predict"), body or None, headers)
    response = connection.getresponse()
    try:
        content, whole = response.read(), True
    except (http.client.IncompleteRead, ConnectionError) as error:
        content, whole = getattr(error, "partial", b""), False
    connection.close()
    try:
        text = {"body": content.decode()}
    except UnicodeDecodeError:
        text = {"body_base64": base64.b64encode(content).decode()}
    names = {name.lower(): value for name, value in response.getheaders() if name.lower() not in LEFT_OUT}
    return {"status": response.status, "headers": names, **text, **({} if whole else {"broken_off": True})}


def wait(port: int, server: subprocess.Popen, loaded: bool) -> None:
    path = "/v1/models/model/loaded" if loaded else "/"
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            if send(port, {"method": "GET", "path": path})["status"] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("the server does not answer")


def record(name: str, model: dict, calls: list) -> list:
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app"
        lay_out(name, model, app)
        port = free_port()
        server = start(app, model, port)
        answers = []
        try:
            if any(call.get("ends") for call in calls):
                return [{"exit_code": server.wait(timeout=60)}]
            for call in calls:
                wait(port, server, loaded=not call.get("while_loading"))
                answers.append(send(port, call))
        except Exception:
            print((app / "out.log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            server.kill()
            server.wait()
        return answers


def main() -> None:
    cases = json.loads((DATA / "cases.json").read_text())
    packages = ["truss", "fastapi", "starlette", "uvicorn", "pydantic", "numpy", "msgpack", "msgpack-numpy"]
    origin = {
        "script": Path(__file__).name,
        "python": sys.version.split()[0],
        **{package: version(package) for package in packages},
    }
    recorded = []
    for name in dict.fromkeys(call["model"] for call in cases["calls"]):
        calls = [call for call in cases["calls"] if call["model"] == name]
        answers = record(name, cases["models"].get(name, {}), calls)
        recorded += [{"call": call, "answer": answer} for call, answer in zip(calls, answers)]
        print(name, [answer.get("status", answer.get("exit_code")) for answer in answers], flush=True)
        text = json.dumps({"origin": origin, "calls": recorded}, indent=1, ensure_ascii=False)
        (DATA / "server.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
