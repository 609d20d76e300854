"""Pushes a checkout of truss-examples: python truss_examples.py ADDRESS KEY_FILE CHECKOUT [SECONDS [DIRECTORY…]]

Every directory with a config.yaml, or the given ones, is pushed with the `truss` beside this Python. What is taken is
waited for, SECONDS each (default 0: not at all), and what becomes active is called with its `example_model_input`, or with
{} where it has none. Then it is deactivated: the next one has the machine to itself. Prints a table in Markdown, a row for
each: what became of the push, of the load and of the call, and for what reason.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ADDRESS = sys.argv[1]
KEY = pathlib.Path(sys.argv[2]).read_text().strip()
CHECKOUT = pathlib.Path(sys.argv[3]).resolve()
SECONDS = float(sys.argv[4]) if len(sys.argv) > 4 else 0
ASKED = sys.argv[5:]
TRUSS = str(pathlib.Path(sys.executable).parent / "truss")
HOME = pathlib.Path(tempfile.mkdtemp(prefix="corral-truss-"))
DONE = {"ACTIVE", "FAILED", "BUILD_FAILED", "DEPLOY_FAILED", "UNHEALTHY"}


def request(path, body=None):
    call = urllib.request.Request(
        ADDRESS + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Api-Key {KEY}", "content-type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(call, timeout=120) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def push(directory):
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [TRUSS, "--non-interactive", "push", str(directory), "--remote", "corral", "--output", "json"],
        env={**kept, "HOME": str(HOME), "TRUSS_NO_UPDATE_CHECK": "1"},
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        return None, reason_of(done.stdout + done.stderr)
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])[0], ""


def reason_of(text):
    """The last thing that is said before the traceback's end."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("│", " ")
    said = " ".join(plain.split())
    found = re.search(r"(Validation failed[^╭]*|ApiError: .*|ValidationError.*|Error: .*|ERROR .*)", said)
    return (found.group(1) if found else said)[:300]


def state_of(ids):
    end = time.monotonic() + SECONDS
    while True:
        path = f"/v1/models/{ids['model_id']}/deployments/{ids['model_version_id']}"
        described = json.loads(request(path)[1])
        if described["status"] in DONE or time.monotonic() >= end:
            return described["status"], described.get("status_detail") or ""
        time.sleep(1)


def call(ids):
    config = request(f"/v1/models/{ids['model_id']}/deployments/{ids['model_version_id']}/config")
    metadata = (json.loads(config[1]).get("config") or {}).get("model_metadata") or {}
    body = metadata.get("example_model_input", {})
    status, text = request(f"/model/{ids['model_id']}/deployment/{ids['model_version_id']}/predict", body)
    return f"{status} {text[:160]!r}"


def last_line(ids):
    """What a load that has not ended does, by its newest lines."""
    body = {"limit": 1, "min_level": "info"}
    path = f"/v1/models/{ids['model_id']}/deployments/{ids['model_version_id']}/logs"
    lines = json.loads(request(path, body)[1]).get("logs") or []
    return lines[0]["message"] if lines else ""


def row(*cells):
    print("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |", flush=True)


def main():
    (HOME / ".trussrc").write_text(f"[corral]\nremote_provider = baseten\napi_key = {KEY}\nremote_url = {ADDRESS}\n")
    found = sorted(path.parent for path in CHECKOUT.rglob("config.yaml"))
    wanted = [CHECKOUT / name for name in ASKED] or found
    pushed = 0
    row("directory", "push", "state", "called", "reason")
    row("---", "---", "---", "---", "---")
    for directory in wanted:
        name = str(directory.relative_to(CHECKOUT))
        ids, reason = push(directory)
        if ids is None:
            row(name, "refused", "", "", reason)
            continue
        pushed += 1
        status, detail = state_of(ids)
        answer = call(ids) if status == "ACTIVE" else ""
        row(name, "taken", status, answer, detail[:400] or ("" if answer else last_line(ids)[:200]))
        request(f"/v1/models/{ids['model_id']}/deployments/{ids['model_version_id']}/deactivate", {})
    print(f"\n{pushed} of {len(wanted)} pushed")


main()
