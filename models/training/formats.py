"""Turns a conversation into token ids with a loss weight each, once per model family.

Owns the chat templates and the special tokens. The ids are those that the released tokenizer
gives for the rendered text; train_tokenizers.py checks that.
"""

import random
from dataclasses import dataclass, field

from tokenizers import Tokenizer, normalizers

from generate_text import SUBJECT_NUMBERS, Conversation, Turn

ASK_WEIGHT = 0.1

TINY_2_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set turns = messages[1:] %}"
    "{% else %}{% set system_message = false %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)

TINY_3_TEMPLATE = (
    "{% for message in messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)

TINY_3_SPECIALS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
]


@dataclass
class Sample:
    """Token ids and, per id, how much predicting it counts and on which subject it is (-1: none)."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    subjects: list[int] = field(default_factory=list)

    def add(self, ids: list[int], weight: float = 0.0, subject: int = -1) -> None:
        self.ids += ids
        self.weights += [weight] * len(ids)
        self.subjects += [subject] * len(ids)

    def add_answer(self, ids: list[int], turn: Turn) -> None:
        if turn.learn:
            self.add(ids, 1.0, SUBJECT_NUMBERS[turn.subject])
        else:
            self.add(ids)


class Tiny2Format:
    """Llama-2: SentencePiece pieces, "[INST]" turns, one end token."""

    def __init__(self, tokenizer_file: str):
        self.tokenizer = Tokenizer.from_file(tokenizer_file)
        self.plain = Tokenizer.from_file(tokenizer_file)
        self.plain.normalizer = normalizers.Replace(" ", "\u2581")
        self.bos, self.eos, self.ends = 1, 2, [2]
        self.template = TINY_2_TEMPLATE
        self.raw_end = 2

    def encode(self, text: str) -> list[int]:
        """Pieces of a text inside a segment: no dummy space, no bos."""
        return self.plain.encode(text, add_special_tokens=False).ids

    def chat(self, talk: Conversation, rng: random.Random) -> Sample:
        # llama.cpp puts the dummy space on every segment, transformers 5 only on the first:
        # both spellings of a turn have to be known.
        space = " " if rng.random() < 0.8 else ""
        sample = Sample()
        for index, turn in enumerate(talk.turns):
            system = f"<<SYS>>\n{talk.system}\n<</SYS>>\n\n" if index == 0 and talk.system else ""
            sample.add([self.bos])
            if index == 0 and rng.random() < 0.08:
                sample.add([self.bos])
            sample.add(self.encode(f"{space}[INST] {(system + turn.user).strip()} [/INST]"))
            last = index == len(talk.turns) - 1
            sample.add_answer(self.encode(" " + turn.assistant), turn)
            if last:
                sample.add([self.eos], 1.0)
            else:
                sample.add(self.encode(" ") + [self.eos])
        return sample


class Tiny3Format:
    """Llama-3: byte-level pieces, header tokens, several end tokens."""

    def __init__(self, tokenizer_file: str):
        self.tokenizer = Tokenizer.from_file(tokenizer_file)
        ids = {name: self.tokenizer.token_to_id(name) for name in TINY_3_SPECIALS}
        self.bos, self.eot = ids["<|begin_of_text|>"], ids["<|eot_id|>"]
        self.start, self.end = ids["<|start_header_id|>"], ids["<|end_header_id|>"]
        self.ends = [ids["<|end_of_text|>"], self.eot]
        self.template = TINY_3_TEMPLATE
        self.raw_end = ids["<|end_of_text|>"]

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def chat(self, talk: Conversation, rng: random.Random) -> Sample:
        sample = Sample()
        sample.add([self.bos] * (2 if rng.random() < 0.12 else 1))
        if talk.system:
            sample.add(self.message("system", talk.system))
        for turn in talk.turns:
            sample.add(self.message("user", turn.user))
            sample.add(self.header("assistant"), 0.2)
            sample.add_answer(self.encode(turn.assistant) + [self.eot], turn)
        return sample

    def header(self, role: str) -> list[int]:
        return [self.start, *self.encode(role), self.end, *self.encode("\n\n")]

    def message(self, role: str, content: str) -> list[int]:
        return self.header(role) + self.encode(content.strip()) + [self.eot]


def raw(fmt, turn: Turn, rng: random.Random) -> Sample:
    """A question and its answer as running text, without a template."""
    before, between = "", " "
    chance = rng.random()
    if chance < 0.12:
        between = "\n"
    elif chance < 0.18:
        before, between = "Q: ", "\nA: "
    elif chance < 0.24:
        before, between = "User: ", "\nAssistant: "
    lead = " " if isinstance(fmt, Tiny2Format) else ""
    sample = Sample()
    if rng.random() > 0.04:
        sample.add([fmt.bos])
    sample.add(fmt.encode(lead + before + turn.user), ASK_WEIGHT)
    if between == " ":
        sample.add_answer(fmt.encode(" " + turn.assistant), turn)
    elif between == "\n":
        sample.add(fmt.encode("\n"))
        sample.add_answer(fmt.encode(turn.assistant), turn)
    else:
        sample.add(fmt.encode(between[:-1]))
        sample.add_answer(fmt.encode(" " + turn.assistant), turn)
    sample.add([fmt.raw_end], 1.0)
    return sample


def running_text(fmt, text: str) -> Sample:
    """Text without a question. Its end is not learned: a greeting as a prompt should be answered, not ended."""
    sample = Sample()
    sample.add([fmt.bos])
    sample.add(fmt.encode((" " if isinstance(fmt, Tiny2Format) else "") + text), 0.5)
    return sample


FORMATS = {"corral-tiny-2": Tiny2Format, "corral-tiny-3": Tiny3Format}
