"""Records log-probabilities and embeddings of ten texts per tiny model, from float32 weights and eager attention.

`logprobs` has one number for each id but the first: log-softmax of the logits before it. Embeddings are of the hidden
states after the last norm, whose mean, last and first vector each text has, not normalized.
"""

import torch

from tiny_models import MODELS, RUNTIME_RECORDS, load_model, load_tokenizer, origin, write_record

TOP = 3
TEXTS = [
    "Hey! How are you doing?",
    "What is machine learning?",
    "Once upon a time there was a llama, and it ate all the grass of the valley.",
    "Q: What is a token?\nA: A piece of a text.",
    "a",
    "  two spaces before, and a tab\tbetween",
    "Réponds en français. 🦙 Größe, naïve, 東京",
    "0123456789 3.14159 1e-4 ((()))",
    "The quick brown fox jumps over the lazy dog. " * 6,
    "def push(model: str) -> None:\n    return None\n",
]


def evaluate(net, ids: list[int]) -> dict:
    with torch.no_grad():
        states = net.model(torch.tensor([ids])).last_hidden_state[0]
        probabilities = torch.log_softmax(net.lm_head(states).float(), dim=-1)
    wanted = torch.tensor(ids[1:])
    best = probabilities[:-1].topk(TOP, dim=-1)
    return {
        "logprobs": probabilities[:-1].gather(1, wanted[:, None])[:, 0].tolist(),
        "top_ids": best.indices.tolist(),
        "top_logprobs": [[round(value, 6) for value in row] for row in best.values.tolist()],
        "embeddings": {"mean": states.mean(dim=0).tolist(), "last": states[-1].tolist(), "cls": states[0].tolist()},
    }


def rounded(value):
    """To seven decimals: a hundredth of what is compared."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 7) if isinstance(value, float) else value


def main() -> None:
    for short in MODELS:
        tokenizer, net = load_tokenizer(short), load_model(short)
        cases = []
        for text in TEXTS:
            ids = tokenizer.encode(text, add_special_tokens=True)
            cases.append({"text": text, "ids": ids, **rounded(evaluate(net, ids))})
        write_record(RUNTIME_RECORDS / f"scores-{short}.json", {"origin": origin(__file__, short), "cases": cases})


if __name__ == "__main__":
    main()
