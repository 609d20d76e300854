"""Schemathesis over the OpenAPI document of a running Corral: no 500, no status that the document does not name, no
call without an answer. Once with ids of things that are there, once with made-up ones; nothing is left after that.

usage: hostile_http.py ADDRESS KEY_FILE [EXAMPLES] [SEED]
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

ADDRESS, KEY_FILE = sys.argv[1:3]
EXAMPLES = sys.argv[3] if len(sys.argv) > 3 else "3"
SEED = sys.argv[4] if len(sys.argv) > 4 else "1"
with open(KEY_FILE, encoding="utf-8") as file:
    KEY = file.read().strip()
# Of each call, seconds. A stream that is followed ends with its run, a socket needs an upgrade, and the tool cannot make
# an archive.
LIMIT = "30"
LEFT_OUT = r"/(stream|websocket)$|^/api/v1/versions$"


def get(path):
    request = urllib.request.Request(ADDRESS + path, headers={"Authorization": "Api-Key " + KEY})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def run(name, *more, config=""):
    with tempfile.TemporaryDirectory() as directory:
        if config:
            with open(os.path.join(directory, "schemathesis.toml"), "w", encoding="utf-8") as file:
                file.write(config)
        words = [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"),
            *("run", ADDRESS + "/openapi.json", "-H", "Authorization: Api-Key " + KEY),
            *("--checks", "not_a_server_error,status_code_conformance"),
            *("--phases", "fuzzing", "--max-examples", EXAMPLES, "--seed", SEED, "--workers", "2"),
            *("--request-timeout", LIMIT, "--suppress-health-check", "all", "--continue-on-failure"),
            *("--generation-database", "none", "--no-color"),
            *more,
        ]
        done = subprocess.run(words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace").replace(KEY, "KEY")
    if done.returncode == 0:
        count = [line.strip() for line in text.splitlines() if " generated, " in line]
        print("ok - %s: %s" % (name, "; ".join(count)))
    else:
        print(text[-12_000:])
        print("not ok - %s" % name)
    return done.returncode == 0


def values_of_what_is_there():
    deployment = next(one for one in get("/api/v1/deployments")["items"] if one["name"] == "corral-tiny-2")
    request = urllib.request.Request(
        ADDRESS + "/corral-tiny-2/predict",
        data=json.dumps({"prompt": "a", "max_length": 4}).encode(),
        headers={"Authorization": "Api-Key " + KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        run_id = answer.headers["x-corral-run-id"]
    return {
        "model": deployment["model_id"],
        "deployment": deployment["id"],
        "version": deployment["version_id"],
        "name": deployment["name"],
        "run": run_id,
        "environment": "production",
        "identifier": "llamav2-7b-chat",
    }


before = sorted(one["name"] for one in get("/api/v1/deployments?limit=500")["items"])
print("# deployments: %s" % ", ".join(before))
parameters = "".join("%s = %s\n" % (name, json.dumps(value)) for name, value in values_of_what_is_there().items())
# What is there is to stay: nothing is deleted, stopped or given another name.
results = [
    run(
        "ids of what is there",
        *("--exclude-method", "DELETE", "--exclude-path-regex", LEFT_OUT + r"|/(deactivate|promote|rotate)$"),
        config="[parameters]\n" + parameters,
    )
]
after = sorted(one["name"] for one in get("/api/v1/deployments?limit=500")["items"])
results.append(set(before) <= set(after))
print("ok - all is still there" if results[-1] else "not ok - there is left: %s" % ", ".join(after))
# Last: the tool tries ids that it has seen in answers, and deletes what they name.
results.append(run("made-up ids, every method", "--exclude-path-regex", LEFT_OUT + "|^/readyz$"))
sys.exit(0 if all(results) else 1)
