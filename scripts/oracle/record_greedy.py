"""Records greedy token ids of ten prompts per tiny model, with the margin of every step.

A margin is the difference of the two highest logits (float32): where it is tiny, another
implementation may rightly choose the other token.
"""

import json

import torch

from tiny_models import MODELS, RUNTIME_RECORDS, load_model, load_tokenizer, model_folder, origin, write_record

NEW_TOKENS = 48
PROMPTS = [
    {"prompt": "Hey! How are you doing?"},
    {"prompt": "What is machine learning?"},
    {"prompt": "Once upon a time there was a llama"},
    {"prompt": "Q: What is a token?\nA:"},
    {"messages": [{"role": "user", "content": "What even is AGI?"}]},
    {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "How do I push a model?"},
        ]
    },
    {"messages": [{"role": "user", "content": "Tell me a joke."}]},
    {
        "messages": [
            {"role": "user", "content": "Hello there!"},
            {"role": "assistant", "content": "Hello and welcome!"},
            {"role": "user", "content": "What is beam search?"},
        ]
    },
    {
        "messages": [
            {"role": "system", "content": "Réponds en français. 🦙"},
            {"role": "user", "content": "Who discovered penicillin?"},
        ]
    },
    {"messages": [{"role": "user", "content": "Thank you, goodbye!"}]},
]


def prompt_ids(tokenizer, case: dict) -> list[int]:
    if "prompt" in case:
        return tokenizer.encode(case["prompt"], add_special_tokens=True)
    text = tokenizer.apply_chat_template(case["messages"], tokenize=False, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


def greedy(net, ids: list[int], ends: list[int]) -> tuple[list[int], list[float]]:
    new = net.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        temperature=1.0,
        top_p=1.0,
        num_beams=1,
        max_new_tokens=NEW_TOKENS,
        max_length=None,
        eos_token_id=ends,
        pad_token_id=ends[0],
        return_dict_in_generate=True,
        output_logits=True,
    )
    generated = new.sequences[0, len(ids) :].tolist()
    margins = []
    for logits in new.logits:
        best = logits[0].topk(2).values
        margins.append(round(float(best[0] - best[1]), 6))
    return generated, margins


def main() -> None:
    for short in MODELS:
        tokenizer, net = load_tokenizer(short), load_model(short)
        generation = json.loads((model_folder(short) / "generation_config.json").read_text())
        ends = (
            generation["eos_token_id"] if isinstance(generation["eos_token_id"], list) else [generation["eos_token_id"]]
        )
        cases = []
        for case in PROMPTS:
            ids = prompt_ids(tokenizer, case)
            generated, margins = greedy(net, ids, ends)
            text = tokenizer.decode(generated, skip_special_tokens=True)
            cases.append({**case, "prompt_ids": ids, "generated_ids": generated, "margins": margins, "text": text})
        record = {
            "origin": origin(__file__, short),
            "max_new_tokens": NEW_TOKENS,
            "eos_token_ids": ends,
            "cases": cases,
        }
        write_record(RUNTIME_RECORDS / f"greedy-{short}.json", record)


if __name__ == "__main__":
    main()
