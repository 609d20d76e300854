"""OpenAI's own client from PyPI, unmodified: a chat whole and streamed, several choices, a completion, and errors.

Arguments: the address of a running Corral and a file that holds an API key.
"""

import sys

import openai

address, key_file = sys.argv[1:]
with open(key_file, encoding="utf-8") as file:
    key = file.read().strip()

failed = 0


def check(name, condition, seen):
    global failed
    print(f"{'ok' if condition else 'not ok'} - {name}" + ("" if condition else f"\n#   {seen}"))
    failed += not condition


client = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=120)
ask = {
    "model": "corral-tiny-3",
    "messages": [{"role": "user", "content": "What even is AGI?"}],
    "max_completion_tokens": 96,
}

completion = client.chat.completions.create(**ask, temperature=0)
text = completion.choices[0].message.content
check("a chat is answered with a whole sentence", len(text.split()) >= 4 and text.strip()[-1] in ".!?", text)
check(
    "usage counts the prompt, the answer and what was cached",
    completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    and completion.usage.prompt_tokens_details.cached_tokens >= 0,
    completion.usage,
)

# The model's default are four beams, of which a stream has what all agree on; one sends each token.
greedy = {**ask, "temperature": 0, "extra_body": {"num_beams": 1}}
completion = client.chat.completions.create(**greedy)
text = completion.choices[0].message.content
pieces, usage = [], None
stream = client.chat.completions.create(**greedy, stream=True, stream_options={"include_usage": True})
for chunk in stream:
    pieces += [choice.delta.content or "" for choice in chunk.choices]
    usage = chunk.usage or usage
check("a stream makes up the same answer", "".join(pieces) == text and len(pieces) > 3, pieces)
check("a stream's usage is that of the whole answer", usage.completion_tokens == completion.usage.completion_tokens, usage)

extra = {"top_k": 20, "repetition_penalty": 1.1}
drawn = [client.chat.completions.create(**ask, n=2, seed=7, temperature=1.0, extra_body=extra) for _ in range(2)]
texts = [[choice.message.content for choice in one.choices] for one in drawn]
check("a seed gives the same choices again, parameters of generate beside", texts[0] == texts[1] and len(texts[0]) == 2, texts)

prompt = "What is a llama?"
plain = client.completions.create(model="corral-tiny-2", prompt=[prompt], max_tokens=12, temperature=0, echo=True)
check("a completion echoes its prompt", plain.choices[0].text.startswith(prompt), plain)
check("the models are listed", {"corral-tiny-2", "corral-tiny-3"} <= {model.id for model in client.models.list()}, "")

try:
    client.chat.completions.create(**{**ask, "model": "corral-tiny-9"})
    check("an unknown model is refused", False, "answered")
except openai.NotFoundError as error:
    check("an unknown model is refused", error.code == "model_not_found", error)
try:
    client.chat.completions.create(**ask, response_format={"type": "json_object"})
    check("what is not supported is refused by name", False, "answered")
except openai.BadRequestError as error:
    check("what is not supported is refused by name", error.param == "response_format", error)

sys.exit(1 if failed else 0)
