"""Records what transformers makes of many conversations with the templates of many models.

python record_chat_templates.py FOLDER, with the folder of *.jinja files in llama.cpp's source (models/templates, from the
bundle in the npm package node-llama-cpp). The templates themselves are not kept, only their hashes.
"""

import gzip
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

import transformers.utils.chat_template_utils as utils
from chats import CHATS
from jinja_snippets import CONTEXT, SNIPPETS
from jinja2.exceptions import TemplateError
from tiny_models import ROOT, RUNTIME_RECORDS, load_tokenizer, origin

NOW = datetime(2026, 7, 4, 13, 5, 9)


class FrozenTime(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def outcome(render) -> dict:
    try:
        return {"text": render()}
    except Exception as error:
        # `raise_exception` alone raises this class itself: what else goes wrong has another one.
        said = {"message": str(error)} if type(error) is TemplateError else {}
        return {"error": type(error).__name__} | said


def main() -> None:
    utils.datetime = FrozenTime
    tokenizer = load_tokenizer("tiny-3")
    tokenizer.bos_token, tokenizer.eos_token = "<s>", "</s>"
    tokenizer.pad_token, tokenizer.unk_token = "<pad>", "<unk>"

    def render(template: str, chat: dict) -> str:
        return tokenizer.apply_chat_template(
            chat["messages"],
            chat_template=template,
            tokenize=False,
            tools=chat.get("tools"),
            documents=chat.get("documents"),
            add_generation_prompt=chat.get("add_generation_prompt", False),
            continue_final_message=chat.get("continue_final_message", False),
            **chat.get("kwargs", {}),
        )

    templates = []
    for path in sorted(Path(sys.argv[1]).glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        templates.append(
            {
                "name": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "outcomes": [outcome(lambda: render(template, chat)) for chat in CHATS],
            }
        )
    record = {
        "origin": origin(__file__),
        "source": "models/templates of llama.cpp v0.5.0, in the npm package node-llama-cpp 3.22.1",
        "now": NOW.isoformat(),
        "special_tokens": tokenizer.special_tokens_map,
        "chats": CHATS,
        "templates": templates,
    }
    write_compressed(RUNTIME_RECORDS / "chat-templates.json.gz", record)
    snippets = [
        {"template": template} | outcome(lambda: render(template, {"messages": [{"role": "user", "content": "Hi"}], "kwargs": CONTEXT}))
        for template in SNIPPETS
    ]
    record = {"origin": origin(__file__), "now": NOW.isoformat(), "variables": CONTEXT, "cases": snippets}
    (RUNTIME_RECORDS / "jinja-snippets.json").write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    errors = sum("error" in case for case in snippets)
    print(len(snippets), "snippets,", errors, "of them errors")


def write_compressed(path: Path, record: dict) -> None:
    pairs = [one for template in record["templates"] for one in template["outcomes"]]
    path.write_bytes(gzip.compress(json.dumps(record, ensure_ascii=False).encode(), 9, mtime=0))
    failed = sum("error" in one for one in pairs)
    print(path.relative_to(ROOT), path.stat().st_size, "bytes,", len(pairs), "pairs,", failed, "of them errors")


if __name__ == "__main__":
    main()
