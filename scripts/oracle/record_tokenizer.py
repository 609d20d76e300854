"""Records token ids of many texts per tiny model, with and without special tokens, and their decodings."""

from tiny_models import MODELS, RUNTIME_RECORDS, load_tokenizer, model_folder, origin, write_record

TEXTS = [
    "",
    " ",
    "  ",
    "   ",
    "a",
    " a",
    "  a",
    "a ",
    "a  ",
    "Hello",
    "Hello world",
    " Hello world",
    "Hello  world",
    "Hello   world    again",
    "Hey! How are you doing?",
    "What even is AGI?",
    "WHAT EVEN IS AGI?",
    "what is machine learning",
    "machine-learning, deep-learning; and so on...",
    "It's I'm you're we've he'll she'd don't",
    "IT'S I'M YOU'RE",
    "\n",
    "\n\n",
    "\n\n\n",
    "a\nb",
    "a\n\nb",
    "a \n b",
    "a\r\nb\r\n",
    "\ta\tb\t\tc",
    "line one\n  indented\n\ttabbed\n",
    "0",
    "7",
    "42",
    "1234567890",
    "3.14159 and 1,000,000 and 2^10",
    "run_id run_time_ms config.yaml /model_versions/ID/predict",
    "https://example.com/path?query=1&b=2#part",
    '{"key": [1, 2.5, null, true]}',
    "def f(x):\n    return x * 2  # twice",
    "<b>bold</b> & <i>italic</i>",
    "!?.,;:-_()[]{}'\"`~@#$%^&*+=|\\/<>",
    "....!!!!????",
    "-----=====_____",
    "café naïve Zoë über straße",
    "cafe\u0301 nai\u0308ve",
    "ÀÉÎÕÜ ñ ç ø å æ ß",
    "你好，世界。",
    "こんにちは世界",
    "안녕하세요",
    "Привет, мир!",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "🦙",
    "I like llamas 🦙🦙!",
    "👩‍👩‍👧‍👦 🇪🇸 👍🏽",
    "\u00a0no-break\u3000ideographic\u2003em",
    "zero\u200bwidth\u200djoiner\ufeffmark",
    "\u2581underline\u2581block",
    "<s>",
    "</s>",
    "<s>Hello</s>",
    "<s> Hello </s> again",
    "<unk> <0x41> <pad>",
    "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST]",
    "<|begin_of_text|>Hello<|eot_id|>",
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>",
    "a<|eom_id|> b <|not_a_token|> <|end_of_text|>",
    "x" * 40,
    "supercalifragilisticexpialidocious",
    "\x00\x01\x7f control",
]


def record_text(tokenizer, text: str) -> dict:
    ids = tokenizer.encode(text, add_special_tokens=False)
    full = tokenizer.encode(text, add_special_tokens=True)
    return {
        "text": text,
        "ids": ids,
        "ids_with_special_tokens": full,
        "decoded": tokenizer.decode(full, skip_special_tokens=False),
        "decoded_skipping_special_tokens": tokenizer.decode(full, skip_special_tokens=True),
    }


def main() -> None:
    for short in MODELS:
        tokenizer = load_tokenizer(short)
        record = {
            "origin": origin(__file__, short, model_folder(short) / "tokenizer.json"),
            "vocabulary_size": len(tokenizer),
            "cases": [record_text(tokenizer, text) for text in TEXTS],
        }
        write_record(RUNTIME_RECORDS / f"tokenizer-{short}.json", record)


if __name__ == "__main__":
    main()
