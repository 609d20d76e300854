"""The two documented calls with `requests`, written as on their pages: URL, headers and body, nothing else.

Arguments: the address of a running Corral and a file that holds an API key.
"""

import sys

import requests

address, key_file = sys.argv[1:]
with open(key_file, encoding="utf-8") as file:
    key = file.read().strip()

failed = 0


def check(name, condition, seen):
    global failed
    print(f"{'ok' if condition else 'not ok'} - {name}" + ("" if condition else f"\n#   {seen}"))
    failed += not condition


def sentence(text):
    text = text.strip()
    return len(text.split()) >= 4 and text[-1] in ".!?"


# The deployment's id is what the Llama 3 page calls the model version's.
deployments = requests.get(
    f"{address}/api/v1/deployments", headers={"Authorization": f"Api-Key {key}"}, timeout=60
).json()["items"]
version = next(item["id"] for item in deployments if item["name"] == "corral-tiny-3")

res = requests.post(
    f"{address}/model_versions/{version}/predict",
    headers={"Authorization": f"Api-Key {key}"},
    json={"messages": [{"role": "user", "content": "What even is AGI?"}], "max_tokens": 128},
    timeout=120,
)
check("the Llama 3 page's call answers 200", res.status_code == 200, res.text[:500])
answer = res.json()
check(
    "its answer is wrapped and has a whole sentence",
    answer.get("model_version_id") == version and sentence(answer["model_output"]["output"]),
    res.text[:500],
)

res = requests.post(
    f"{address}/llamav2-7b-chat-webhook/predict",
    headers={"Authorization": key, "Content-Type": "application/json"},
    json={
        "prompt": "Hey! How are you doing?",
        "max_length": 100,
        "temperature": 0.9,
        "top_p": 1.0,
        "top_k": 10,
        "num_return_sequences": 1,
        "repetition_penalty": 2.0,
    },
    timeout=120,
)
check("the Llama 2 page's call answers 200", res.status_code == 200, res.text[:500])
answer = res.json()
text = answer["result"][0]["generated_text"]
check("its envelope has run_id, run_time_ms, message and result",
      {"run_id", "run_time_ms", "message", "result"} <= set(answer), res.text[:500])
check("its text begins with the prompt and goes on", text.startswith("Hey! How are you doing?")
      and sentence(text.removeprefix("Hey! How are you doing?")), text)

sys.exit(1 if failed else 0)
