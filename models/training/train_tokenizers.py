"""Trains both tokenizers on a corpus of generate_text.py and writes the small Hugging Face files.

Writes tokenizer.json, tokenizer_config.json, generation_config.json and, for corral-tiny-2,
tokenizer.model into the two model folders. Weights and config.json come from export_gguf.py.
"""

import argparse
import json
import random
from pathlib import Path

import sentencepiece as spm
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from formats import FORMATS, TINY_2_TEMPLATE, TINY_3_SPECIALS, TINY_3_TEMPLATE
from generate_text import MODELS_DIRECTORY, Conversation, Turn

VOCABULARY_SIZE = 2048
SPACE = "\u2581"
LLAMA_3_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def with_templates(lines: list[str]) -> list[str]:
    """The corpus plus turns in the Llama-2 format, so that its marks get pieces of their own."""
    rng = random.Random(2)
    marked = [f"[INST] <<SYS>>\n{line}\n<</SYS>>\n\n{line} [/INST]" for line in rng.sample(lines, 2000)]
    return lines + [f"User: {line}\nAssistant:" for line in rng.sample(lines, 300)] + marked


def merges_of(pieces: dict[str, int], scores: dict[str, float]) -> list[tuple[str, str]]:
    """All pairs whose join is a piece, best score first: SentencePiece's order as a merge list."""
    merges = []
    for piece in pieces:
        pairs = [
            (piece[:at], piece[at:]) for at in range(1, len(piece)) if piece[:at] in pieces and piece[at:] in pieces
        ]
        merges += [(piece, pair) for pair in sorted(pairs, key=lambda pair: (pieces[pair[0]], pieces[pair[1]]))]
    return [pair for _, pair in sorted(merges, key=lambda entry: -scores[entry[0]])]


def train_tiny_2(lines: list[str], folder: Path) -> None:
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(with_templates(lines)),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=VOCABULARY_SIZE,
        byte_fallback=True,
        split_digits=True,
        character_coverage=1.0,
        required_chars="".join(chr(code) for code in range(33, 127)),
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    processor = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    pieces = {processor.id_to_piece(index): index for index in range(processor.get_piece_size())}
    scores = {piece: processor.get_score(index) for piece, index in pieces.items()}
    normal = {piece: index for piece, index in pieces.items() if index >= 259}
    tokenizer = Tokenizer(
        models.BPE(vocab=pieces, merges=merges_of(normal, scores), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(name, normalized=False, special=True) for name in ("<unk>", "<s>", "</s>")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": True,
            "add_eos_token": False,
            "bos_token": "<s>",
            "chat_template": TINY_2_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "</s>",
            "legacy": False,
            "model_max_length": 4096,
            "pad_token": None,
            "tokenizer_class": "LlamaTokenizer",
            "unk_token": "<unk>",
        },
    )
    write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": 1,
            "do_sample": True,
            "eos_token_id": 2,
            "max_length": 4096,
            "pad_token_id": 0,
            "temperature": 0.6,
            "top_p": 0.9,
        },
    )


def train_tiny_3(lines: list[str], folder: Path) -> None:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = VOCABULARY_SIZE - len(TINY_3_SPECIALS)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*lines, *(["system\n\n", "user\n\n", "assistant\n\n"] * 2000)], trainer)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in TINY_3_SPECIALS])
    bos = TINY_3_SPECIALS[0]
    begin = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), begin])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "bos_token": bos,
            "chat_template": TINY_3_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|eot_id|>",
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": 8192,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    )
    ends = [tokenizer.token_to_id(name) for name in ("<|end_of_text|>", "<|eot_id|>")]
    write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": tokenizer.token_to_id(bos),
            "do_sample": True,
            "eos_token_id": ends,
            "max_length": 4096,
            "temperature": 0.6,
            "top_p": 0.9,
        },
    )


def check_formats() -> None:
    """The ids of formats.py equal the released tokenizer's ids of the rendered text."""
    talk = Conversation(
        "Be kind.", [Turn("Hi  there!", "Hello, and welcome!", False), Turn("What is AGI?", "AGI is an idea.", False)]
    )
    history = "Hello, and welcome!"
    rendered = {
        "corral-tiny-2": f"<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi  there! [/INST] {history} </s><s>[INST] What is AGI? [/INST] AGI is an idea.</s>",
        "corral-tiny-3": "<|begin_of_text|>"
        + "".join(
            f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>"
            for role, text in [
                ("system", "Be kind."),
                ("user", "Hi  there!"),
                ("assistant", history),
                ("user", "What is AGI?"),
                ("assistant", "AGI is an idea."),
            ]
        ),
    }
    for model, text in rendered.items():
        fmt = FORMATS[model](str(MODELS_DIRECTORY / model / "tokenizer.json"))
        rng = random.Random(0)
        rng.random = lambda: 0.5  # the llama.cpp spelling, one bos
        ours, theirs = fmt.chat(talk, rng).ids, fmt.tokenizer.encode(text, add_special_tokens=False).ids
        if ours != theirs:
            raise SystemExit(f"{model}: {ours} is not {theirs}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    options = parser.parse_args()
    lines = options.corpus.read_text().splitlines()
    for model, train in (("corral-tiny-2", train_tiny_2), ("corral-tiny-3", train_tiny_3)):
        folder = MODELS_DIRECTORY / model
        folder.mkdir(exist_ok=True)
        train(lines, folder)
    check_formats()


if __name__ == "__main__":
    main()
