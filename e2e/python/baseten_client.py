"""Baseten's own Python client against a Corral that runs: python baseten_client.py ADDRESS KEY_FILE

The client is generated from Baseten's specification and checks every answer against it, so an answer of another shape is
a failure here. What a model is needed for is done with one that this pushes.
"""

import importlib.metadata
import io
import pathlib
import sys
import tarfile
import time

import httpx
from baseten.client import InferenceClient, ManagementClient
from baseten.client import managementapi as m
from baseten.client.inferenceapi import PredictInput

ADDRESS = sys.argv[1]
KEY = pathlib.Path(sys.argv[2]).read_text().strip()
LABEL = "baseten " + importlib.metadata.version("baseten")


def report(name, check):
    try:
        problem = None if check() is not False else "it answered something else"
    except Exception as error:  # noqa: BLE001
        problem = f"{type(error).__name__}: {error}"
    print(f"{'ok' if problem is None else 'not ok'} {LABEL}: {name}{'' if problem is None else f' # {problem[:600]}'}", flush=True)


def push(mark, promote=False):
    """By Corral's own routes: the client has no way to send an archive to any host but Amazon's."""
    files = {
        "config.yaml": "model_name: client-model\n",
        "model/model.py": f"class Model:\n    def predict(self, given):\n        return {{'mark': '{mark}', 'given': given}}\n",
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    own = httpx.Client(base_url=ADDRESS, headers={"authorization": f"Api-Key {KEY}"}, timeout=60, trust_env=False)
    version = own.post("/api/v1/versions", content=packed.getvalue(), headers={"content-type": "application/x-tar"})
    if version.status_code >= 300:
        raise SystemExit(f"not ok {LABEL}: push # {version.text}")
    deployed = own.post("/api/v1/deployments", json={"version_id": version.json()["version"]["id"]})
    made = deployed.raise_for_status().json()
    return made["model_id"], made["id"]


def until(check, seconds=60):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.3)
    return True


def main():
    api = ManagementClient(api_key=KEY, base_url_override=ADDRESS).api
    model, first = push("one")
    active = lambda id: lambda: api.get_models_deployments_deployment_id(model_id=model, deployment_id=id).status == "ACTIVE"  # noqa: E731
    report("a deployment's state, until it is active", lambda: until(active(first)))
    report("the models", lambda: model in [one.id for one in api.get_models().models])
    report("a model", lambda: api.get_models_model_id(model_id=model).production_deployment_id == first)
    report("a team", lambda: api.get_teams().teams[0].default)
    report("who calls", lambda: bool(api.get_users_me().user_id))
    report("what models run on", lambda: len(api.get_instance_types().instance_types) == 1)
    _, second = push("two")
    report("a second version's state", lambda: until(active(second)))
    report("the deployments", lambda: len(api.get_models_deployments(model_id=model).deployments) == 2)
    report(
        "promote",
        lambda: api.post_models_deployments_promote(
            model_id=model, deployment_id=first, request=m.PromoteRequest()
        ).is_production,
    )
    report("the production deployment", lambda: api.get_models_deployments_production(model_id=model).id == first)
    report("the environments", lambda: [one.name for one in api.get_models_environments(model_id=model).environments] == ["production"])
    report(
        "an environment",
        lambda: api.get_models_environments_env_name(model_id=model, env_name="production").current_deployment.id == first,
    )
    report(
        "promote to an environment",
        lambda: api.post_models_environments_promote(
            model_id=model, env_name="production", request=m.PromoteToEnvironmentRequest(deployment_id=second)
        ).id
        == second,
    )
    report("the config", lambda: "client-model" in api.get_models_deployments_config(model_id=model, deployment_id=first).raw_config)
    report(
        "the download",
        lambda: httpx.get(
            api.get_models_deployments_download(model_id=model, deployment_id=first).download_url, trust_env=False
        ).status_code
        == 200,
    )
    report(
        "the logs",
        lambda: isinstance(
            api.post_models_deployments_logs(
                model_id=model, deployment_id=first, request=m.GetDeploymentLogsRequest(limit=10)
            ).logs,
            list,
        ),
    )
    check_inference(model, first, second)
    report("deactivate", lambda: api.post_models_deployments_deactivate(model_id=model, deployment_id=first).success)
    inactive = lambda: api.get_models_deployments_deployment_id(model_id=model, deployment_id=first).status == "INACTIVE"  # noqa: E731
    report("its state then", lambda: until(inactive))
    report("activate", lambda: api.post_models_deployments_activate(model_id=model, deployment_id=first).success)
    report("its state again", lambda: until(active(first)))
    check_keys(api, model)
    report("delete a deployment", lambda: api.delete_models_deployments(model_id=model, deployment_id=first).deleted)
    report("delete a model", lambda: api.delete_models(model_id=model).deleted)


def check_keys(api, model):
    made = []

    def make():
        made.append(api.post_api_keys(request=m.CreateAPIKeyRequest(type="WORKSPACE_INVOKE", name="by client", model_ids=[model])).api_key)

    report("make a key", make)
    prefix = made[0].rsplit("_", 1)[0] if made else ""
    report("the keys", lambda: prefix in [one.prefix for one in api.get_api_keys().keys])
    report("revoke a key", lambda: api.delete_api_keys(api_key_prefix=prefix).prefix == prefix)


def check_inference(model, first, second):
    client = InferenceClient(api_key=KEY, base_url_override=f"{ADDRESS}/model/{model}").api
    mark = lambda answer: answer.root["mark"]  # noqa: E731
    report("predict of production", lambda: mark(client.predict_production(request=PredictInput.model_validate({"a": 1}))) == "two")
    report("predict of an environment", lambda: mark(client.predict(env_name="production", request=PredictInput.model_validate({"a": 1}))) == "two")
    report("predict of a deployment", lambda: mark(client.predict_deployment(deployment_id=first, request=PredictInput.model_validate({"a": 1}))) == "one")
    report("wake", lambda: client.wake_production())
    report("wake a deployment", lambda: client.wake_deployment(deployment_id=second))


main()
