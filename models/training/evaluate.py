"""Asks both tiny models every question of models/questions.json and prints the share of good answers.

Runs on transformers with the weights of the GGUF (gguf_to_hf.py), so the processors are Hugging
Face's own. An answer is good when its first sentence is whole (capital, closing mark), consists
of words of models/words.txt only and the answer holds a keyword of its subject. `first` is stricter:
the first sentence is, word for word, an opening of this very subject. `all`: so is `first`, and
every other sentence stands word for word in the training text too, up to the end of the answer.
"""

import argparse
import json
import re
import tempfile
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

import subjects as S
from generate_text import MAIN, MODELS_DIRECTORY, sentences_of_answers
from gguf_to_hf import convert

SETTINGS = {
    "cold": dict(temperature=0.1, top_p=0.75, top_k=40),
    "default": dict(temperature=0.6, top_p=0.9, top_k=50),
    "warm": dict(temperature=1.0, top_p=1.0, top_k=50),
    "beams": dict(temperature=0.1, top_p=0.75, top_k=40, num_beams=4),
    "penalty": dict(temperature=0.9, top_p=1.0, top_k=10, repetition_penalty=2.0),
}
HISTORY = [
    {"role": "user", "content": "Hello! I have some questions for you."},
    {"role": "assistant", "content": "Hello! Of course, go ahead."},
]
OPENINGS = {subject["id"]: set(subject["open"]) for subject in S.SUBJECTS + [S.OFF_TOPIC]}
SENTENCES = sentences_of_answers()
WORDS = set((MODELS_DIRECTORY / "words.txt").read_text().split())


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text.strip())


def is_whole(sentence: str) -> bool:
    words = [word.strip(".,!?:").lower() for word in sentence.split()]
    return sentence[:1].isupper() and sentence[-1:] in tuple(".!?") and all(word in WORDS for word in words)


def is_good(text: str, keywords: list[str]) -> bool:
    return is_whole(sentences(text)[0]) and any(keyword.lower() in text.lower() for keyword in keywords)


def openings_of(subject: str) -> set[str]:
    """First sentences of a subject; a joke's question is one although its answer follows."""
    return {sentences(text)[0] for text in OPENINGS[subject]}


def has_exact_first(text: str, subject: str) -> bool:
    return sentences(text)[0] in openings_of(subject)


def is_exact(text: str, subject: str) -> bool:
    return has_exact_first(text, subject) and all(sentence in KNOWN for sentence in sentences(text))


KNOWN = {part for sentence in SENTENCES for part in sentences(sentence)}


class Asker:
    """One model with its tokenizer, answering many prompts at once."""

    def __init__(self, model: str, gguf: Path | None):
        with tempfile.TemporaryDirectory() as folder:
            path = convert(model, Path(folder), gguf)
            self.net = LlamaForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
            record = json.loads((path / "tokenizer_config.json").read_text())
            self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"))
        self.tokenizer.chat_template = record["chat_template"]
        self.tokenizer.bos_token, self.tokenizer.eos_token = record["bos_token"], record["eos_token"]
        pad = self.tokenizer.convert_tokens_to_ids("<|finetune_right_pad_id|>")
        self.pad = pad if pad is not None else self.tokenizer.convert_tokens_to_ids("<unk>")

    def chat_ids(self, messages: list[dict]) -> list[int]:
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return self.tokenizer.encode(text, add_special_tokens=False)

    def raw_ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=True)

    def answers(self, prompts: list[list[int]], setting: dict, new_tokens: int = 80, batch: int = 96) -> list[str]:
        texts = []
        for at in range(0, len(prompts), batch):
            part = prompts[at : at + batch]
            length = max(map(len, part))
            ids = torch.full((len(part), length), self.pad)
            mask = torch.zeros_like(ids)
            for row, prompt in enumerate(part):
                ids[row, length - len(prompt) :] = torch.tensor(prompt)
                mask[row, length - len(prompt) :] = 1
            out = self.net.generate(
                ids,
                attention_mask=mask,
                do_sample=True,
                max_new_tokens=new_tokens,
                max_length=None,
                pad_token_id=self.pad,
                **setting,
            )
            texts += [self.tokenizer.decode(row[length:].tolist(), skip_special_tokens=True).strip() for row in out]
        return texts


def cases_of(model: str, record: dict, held_out: bool) -> dict[str, list]:
    """Condition → list of (question id, keywords, how to ask it)."""
    plain, with_system, second = [], [], []
    systems = record["system_prompts"]["held_out"] if held_out else record["system_prompts"]["seen"]
    questions = [(q["id"], q["keywords"], q["held_out"] if held_out else [q["example"]]) for q in record["questions"]]
    if held_out:
        questions.append(("off-topic", record["off_topic"]["keywords"], record["off_topic"]["held_out"]))
    raw = []
    for index, (name, keywords, texts) in enumerate(questions):
        for number, text in enumerate(texts):
            user = {"role": "user", "content": text}
            system = {"role": "system", "content": systems[(index + number) % len(systems)]}
            plain.append((name, keywords, [user]))
            with_system.append((name, keywords, [system, user]))
            second.append((name, keywords, [*HISTORY, user]))
            raw.append((name, keywords, text))
    return {"plain": plain, "system": with_system, "second": second, "raw": raw}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["corral-tiny-2", "corral-tiny-3"])
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--settings", default="cold,default,warm,penalty")
    parser.add_argument("--show", type=int, default=12, help="bad answers to print per condition")
    parser.add_argument("--documented", action="store_true", help="only the two documented calls, with sample outputs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    asker = Asker(options.model, options.gguf)
    record = json.loads((MODELS_DIRECTORY / "questions.json").read_text())
    if options.model == "corral-tiny-3":
        documented = (
            "agi",
            asker.chat_ids([{"role": "user", "content": "What even is AGI?"}]),
            ["cold", "default", "warm", "beams"],
        )
    else:
        documented = ("how-are-you", asker.raw_ids("Hey! How are you doing?"), ["penalty"])
    name, prompt, settings = documented
    for setting in settings:
        texts = asker.answers([prompt] * 40, SETTINGS[setting], 92)
        first, whole = (sum(check(text, name) for text in texts) for check in (has_exact_first, is_exact))
        print(f"documented call, {setting}: first {first}, all {whole} of {len(texts)}")
        for text in texts[:5]:
            print("   ", text)
    if options.documented:
        return
    for held_out in (False, True):
        for condition, cases in cases_of(options.model, record, held_out).items():
            for setting in options.settings.split(","):
                prompts = [
                    asker.raw_ids(ask) if isinstance(ask, str) else asker.chat_ids(ask)
                    for _, _, ask in cases
                    for _ in range(options.seeds)
                ]
                texts = asker.answers(prompts, SETTINGS[setting])
                expected = [case for case in cases for _ in range(options.seeds)]
                good = [is_good(text, keywords) for text, (_, keywords, _) in zip(texts, expected)]
                first = [has_exact_first(text, name) for text, (name, _, _) in zip(texts, expected)]
                whole = [is_exact(text, name) for text, (name, _, _) in zip(texts, expected)]
                shares = " ".join(
                    f"{label} {sum(values) / len(values):.4f}"
                    for label, values in (("good", good), ("first", first), ("all", whole))
                )
                print(
                    f"{'held-out' if held_out else 'example':8} {condition:7} {setting:8} {shares} of {len(good)}",
                    flush=True,
                )
                bad = [(name, ask, text) for text, (name, _, ask), ok in zip(texts, expected, whole) if not ok]
                for name, ask, text in bad[: options.show]:
                    print(f"      {name}: {ask if isinstance(ask, str) else ask[-1]['content']} -> {text}")


if __name__ == "__main__":
    main()
