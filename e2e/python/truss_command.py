"""The truss command, unmodified, against a Corral that runs: python truss_command.py ADDRESS KEY_FILE [CA_FILE]

Runs the `truss` beside the Python that runs this. What needs a newer command is left out for an older one. With an
https ADDRESS the command is given CA_FILE as an operator would, and only what differs over TLS is run.
"""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

ADDRESS = sys.argv[1]
KEY = pathlib.Path(sys.argv[2]).read_text().strip()
CA_FILE = sys.argv[3] if len(sys.argv) > 3 else None
VERSION = tuple(int(part) for part in importlib.metadata.version("truss").split(".")[:2])
IS_NEW = VERSION >= (0, 18)
TRUSS = str(pathlib.Path(sys.executable).parent / "truss")
HOME = pathlib.Path(tempfile.mkdtemp(prefix="corral-truss-"))
LABEL = "truss " + importlib.metadata.version("truss") + (" over TLS" if CA_FILE else "")

CODE = """import importlib.util
import os


class Model:
    def __init__(self, **kwargs):
        pass

    def load(self):
        print("loaded")

    def predict(self, model_input):
        six = "six is here" if importlib.util.find_spec("six") else None
        return {"mark": "MARK", "variable": os.environ.get("MINE"), "six": six, "input": model_input}
"""


def report(name, passed, detail=""):
    print(f"{'ok' if passed else 'not ok'} {LABEL}: {name}{'' if passed else ' # ' + detail[-600:]}", flush=True)


def model(name, mark="first"):
    directory = HOME / "models" / name
    (directory / "model").mkdir(parents=True, exist_ok=True)
    (directory / "config.yaml").write_text(f"model_name: {name}\nrequirements: []\n")
    (directory / "model/__init__.py").write_text("")
    (directory / "model/model.py").write_text(CODE.replace("MARK", mark))
    return directory


def environment(through_proxy):
    # Of a machine's own proxies and roots nothing shall count: commands of 2024 would read AWS_CA_BUNDLE first.
    foreign = ("proxy", "ca_bundle", "ssl_cert")
    kept = {name: value for name, value in os.environ.items() if not any(word in name.lower() for word in foreign)}
    proxy = {"http_proxy": ADDRESS} if through_proxy else {}
    trust = {"SSL_CERT_FILE": CA_FILE, "REQUESTS_CA_BUNDLE": CA_FILE} if CA_FILE else {}
    return {**kept, **proxy, **trust, "HOME": str(HOME), "TRUSS_NO_UPDATE_CHECK": "1"}


def truss(*words, remote="proxied", timeout=60):
    done = subprocess.run(
        [TRUSS, *words, "--remote", remote],
        env=environment(remote == "proxied"),
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def predict(directory, *words, remote="proxied"):
    _, text = truss("predict", "--target-directory", str(directory), "-d", '{"a": 1}', *words, remote=remote)
    return text


def until(check, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.3)
    return False


def check_push():
    mark = LABEL
    # Of another command's model a push would be a version that is not production yet.
    directory = model(f"Pushed {LABEL}", mark)
    words = ["--trusted"] if IS_NEW else ["--trusted", "--publish"]
    code, text = truss("push", str(directory), *words, remote="direct")
    report("push --trusted", code == 0 and "successfully pushed" in text, text)
    text = predict(directory, "--published")
    report("predict answers with the model's own answer", f'"{mark}"' in text and "model_output" not in text, text)
    if CA_FILE and IS_NEW:
        text = predict(directory, "--published", remote="direct")
        report("predict at the address of the push", f'"{mark}"' in text, text)


def check_waiting_and_reading():
    directory = model("Waited Model")
    code, text = truss("push", str(directory), "--wait", "--tail")
    report("push --wait --tail", code == 0 and "Deployment succeeded" in text, text)
    code, text = truss("push", str(directory), "--output", "json")
    ids = json.JSONDecoder().raw_decode(text[text.index("{") :])[0] if code == 0 else {}
    names = ["--model-id", ids.get("model_id", ""), "--deployment-id", ids.get("model_version_id", "")]
    report("push --output json", code == 0 and ids.get("is_draft") is False, text)
    _, text = truss("model-logs", *names)
    report("model-logs", "loaded" in text, text)
    _, text = truss("model-config", *names)
    report("model-config", "model_name: Waited Model" in text, text)
    target = HOME / "bundle.tar"
    _, text = truss("download", *names, "--out-file", str(target), "--overwrite")
    inside = tarfile.open(target).getnames() if target.exists() else []
    report("download", "model/model.py" in inside, text)
    _, text = truss("whoami", remote="direct")
    report("whoami", "\\" in text, text)


def check_watch():
    directory = model("Watched Model")
    log = (HOME / "watch.log").open("w+")
    words = [TRUSS, "push", str(directory), "--watch", "--remote", "proxied"]
    watch = subprocess.Popen(words, env=environment(True), cwd=HOME, stdout=log, stderr=subprocess.STDOUT)
    said = lambda: (HOME / "watch.log").read_text()  # noqa: E731
    try:
        report("push --watch watches", until(lambda: "Watching" in said(), 60), said())
        model("Watched Model", "second")
        arrived = until(lambda: '"second"' in predict(directory))
        report("an edit of the code arrives", arrived, said())
        (directory / "model/model.py").write_text("def broken(:\n")
        report("a broken edit is refused", until(lambda: "Failed to patch" in said()), said())
        report("the old code goes on", '"second"' in predict(directory), said())
        (directory / "config.yaml").write_text("model_name: Watched Model\nenvironment_variables: {MINE: set}\n")
        (directory / "model/model.py").write_text(CODE.replace("MARK", "third"))
        arrived = until(lambda: '"set"' in predict(directory))
        report("an edit of the environment arrives", arrived, said())
    finally:
        watch.terminate()
        watch.wait(20)
    if not CA_FILE:
        check_watch_alone(directory)


def check_watch_alone(directory):
    """What was edited while nobody watched arrives first, then an edit of the requirements."""
    (directory / "model/model.py").write_text(CODE.replace("MARK", "fourth"))
    log = (HOME / "watch-alone.log").open("w+")
    words = [TRUSS, "watch", str(directory), "--remote", "proxied"]
    watch = subprocess.Popen(words, env=environment(True), cwd=HOME, stdout=log, stderr=subprocess.STDOUT)
    said = lambda: (HOME / "watch-alone.log").read_text()  # noqa: E731
    try:
        report("watch begins with what was edited before", until(lambda: '"fourth"' in predict(directory)), said())
        report("watch watches", until(lambda: "Watching" in said()), said())
        time.sleep(1)
        (directory / "config.yaml").write_text(f"model_name: {directory.name}\nrequirements: [six==1.17.0]\n")
        report("an edit of the requirements arrives", until(lambda: "six is here" in predict(directory), 60), said())
    finally:
        watch.terminate()
        watch.wait(20)


def check_parts():
    directory = model("Large Model")
    (directory / "data").mkdir(exist_ok=True)
    (directory / "data/large.bin").write_bytes(os.urandom(20 << 20))
    code, text = truss("push", str(directory), remote="direct")
    report("an archive of 20 MB in parts", code == 0 and "successfully pushed" in text, text)


def check_sdk():
    directory = model("By Library")
    program = (
        "import truss; done = truss.push(%r, remote='direct', model_name='By Library');"
        "print(done.model_id, done.model_deployment_id)" % str(directory)
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(False), capture_output=True, text=True, timeout=60, check=False
    )
    report("truss.push in Python", done.returncode == 0, done.stdout + done.stderr)


def main():
    remotes = {"direct": ADDRESS, "proxied": "http://localhost:8000"}
    (HOME / ".trussrc").write_text(
        "".join(
            f"[{name}]\nremote_provider = baseten\napi_key = {KEY}\nremote_url = {url}\n\n"
            for name, url in remotes.items()
        )
    )
    check_push()
    if IS_NEW and CA_FILE:
        check_parts()
        check_watch()
    elif IS_NEW:
        check_waiting_and_reading()
        check_watch()
        check_sdk()


main()
