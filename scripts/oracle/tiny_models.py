"""What the recording scripts share: the tiny models as transformers sees them, and record files."""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "models" / "training"))
from gguf_to_hf import convert  # noqa: E402

MODELS = {"tiny-2": "corral-tiny-2", "tiny-3": "corral-tiny-3"}
RUNTIME_RECORDS = ROOT / "packages" / "runtime" / "test-data" / "oracle"
ENGINE_RECORDS = ROOT / "packages" / "engine" / "test-data" / "oracle"


def model_folder(short: str) -> Path:
    return ROOT / "models" / MODELS[short]


def gguf_path(short: str) -> Path:
    return model_folder(short) / f"{MODELS[short]}-f16.gguf"


def load_tokenizer(short: str) -> PreTrainedTokenizerFast:
    """tokenizer.json exactly as it is: transformers 5 would rebuild a Llama-2 tokenizer otherwise."""
    folder = model_folder(short)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), clean_up_tokenization_spaces=False
    )
    tokenizer.bos_token, tokenizer.eos_token = settings["bos_token"], settings["eos_token"]
    tokenizer.chat_template = settings["chat_template"]
    return tokenizer


def load_model(short: str) -> LlamaForCausalLM:
    """Float32 weights out of the GGUF, eager attention."""
    torch.set_num_threads(1)
    dtype = "torch_dtype" if transformers.__version__.startswith("4.") else "dtype"
    with tempfile.TemporaryDirectory() as folder:
        path = convert(MODELS[short], Path(folder))
        return LlamaForCausalLM.from_pretrained(path, **{dtype: torch.float32}, attn_implementation="eager").eval()


def origin(script: str, short: str | None = None, file: Path | None = None) -> dict:
    """Where a record comes from: script, versions and, if it is about a model, the hash of its `file`."""
    record = {
        "script": f"scripts/oracle/{Path(script).name}",
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
    }
    if short:
        file = file or gguf_path(short)
        record |= {"model": MODELS[short], "file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    return record


def write_record(path: Path, record: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    print(path.relative_to(ROOT), path.stat().st_size, "bytes")
