"""Records, per tiny model, after which tokens of a sequence transformers' stop criterion holds, for many stop strings.

Stop strings are pieces of the decoded bytes of a few neighbouring tokens, cut at characters, so that they begin and end
anywhere in tokens; sequences mix text, byte tokens of characters that no token has, special tokens and chance.
"""

import random

import torch
from transformers import StopStringCriteria

from tiny_models import MODELS, RUNTIME_RECORDS, load_tokenizer, origin, write_record

TEXTS = [
    "What even is AGI? It is a program.\n\nHuman: and then?",
    "café naïve 🦙🦙 über straße — 你好，世界。",
    "  two  spaces,\ttabs\r\nand 12345 numbers; Привет 한국",
    "def f(x):\n    return x * 2  # twice\n",
]
CASES = 40
LENGTH = 60
FIXED = [["\n\n"], ["Human:", "\n"], [" is"], ["is "], ["🦙"], ["é"], ["世", "界"], ["</s>"], ["<|eot_id|>"], ["e", " ", "1"]]


def sequences(tokenizer, rng: random.Random) -> list[int]:
    """Tokens of a text, with other tokens here and there."""
    ids = tokenizer.encode(rng.choice(TEXTS), add_special_tokens=rng.random() < 0.5)
    for _ in range(rng.randrange(6)):
        ids.insert(rng.randrange(len(ids) + 1), rng.randrange(len(tokenizer)))
    for special in rng.sample(tokenizer.all_special_ids, k=1):
        ids.insert(rng.randrange(len(ids) + 1), special)
    return ids[:LENGTH]


def stops_from(tokenizer, ids: list[int], rng: random.Random) -> list[str]:
    found = []
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(ids) - 3)
        text = tokenizer.decode(ids[start : start + rng.randrange(1, 4)], skip_special_tokens=False)
        first = rng.randrange(max(1, len(text)))
        found.append(text[first : first + rng.randrange(1, 8)].replace("\ufffd", ""))
    return sorted({stop for stop in found if stop}) or ["a"]


def met_after(tokenizer, ids: list[int], stops: list[str]) -> list[int]:
    criterion = StopStringCriteria(tokenizer, stops)
    rows = torch.tensor([ids])
    return [end for end in range(1, len(ids) + 1) if bool(criterion(rows[:, :end], None)[0])]


def main() -> None:
    for short in MODELS:
        tokenizer, rng = load_tokenizer(short), random.Random(7)
        cases = []
        for index in range(CASES):
            ids = sequences(tokenizer, rng)
            stops = FIXED[index] if index < len(FIXED) else stops_from(tokenizer, ids, rng)
            cases.append({"stop_strings": stops, "ids": ids, "met_after": met_after(tokenizer, ids, stops)})
        record = {"origin": origin(__file__, short), "cases": cases}
        write_record(RUNTIME_RECORDS / f"stop-strings-{short}.json", record)


if __name__ == "__main__":
    main()
