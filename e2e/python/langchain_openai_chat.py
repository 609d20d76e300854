"""LangChain's own `ChatOpenAI` model, unmodified, against the chat route: one answer, and a stream of it.

Arguments: the address of a running Corral and a file that holds an API key.
"""

import sys

from langchain_openai import ChatOpenAI

address, key_file = sys.argv[1:]
with open(key_file, encoding="utf-8") as file:
    key = file.read().strip()

model = ChatOpenAI(
    model="corral-tiny-3", base_url=f"{address}/v1", api_key=key, temperature=0, max_tokens=96, max_retries=0
)
question = "What even is AGI?"
text = model.invoke(question).content
streamed = "".join(chunk.content for chunk in model.stream(question))
good = len(text.split()) >= 4 and streamed == text
print(f"{'ok' if good else 'not ok'} - langchain-openai's ChatOpenAI gets an answer, and the same one streamed"
      + ("" if good else f"\n#   {text!r} {streamed!r}"))
sys.exit(0 if good else 1)
