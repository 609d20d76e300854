"""LangChain's own `CerebriumAI` model, unmodified, against the Cerebrium route with a text result.

Arguments: the address of a running Corral and a file that holds an API key.
"""

import sys
import warnings

warnings.simplefilter("ignore")
from langchain_community.llms import CerebriumAI  # noqa: E402

address, key_file = sys.argv[1:]
with open(key_file, encoding="utf-8") as file:
    key = file.read().strip()

llm = CerebriumAI(
    endpoint_url=f"{address}/llamav2-7b-chat-webhook/predict?result=text",
    cerebriumai_api_key=key,
    model_kwargs={"max_length": 100, "top_k": 10, "repetition_penalty": 2.0},
)
text = llm.invoke("Hey! How are you doing?")
good = isinstance(text, str) and len(text.split()) >= 8
print(f"{'ok' if good else 'not ok'} - langchain-community's CerebriumAI gets a text" + ("" if good else f"\n#   {text!r}"))
sys.exit(0 if good else 1)
