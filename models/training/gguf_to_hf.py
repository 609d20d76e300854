"""Converts a tiny model's GGUF back into a Hugging Face folder with float32 safetensors.

Usage: gguf_to_hf.py OUT_DIR MODEL [--gguf FILE]. The values are exactly those of the GGUF; the
rows of Q and K are reordered from GGUF's rotary layout (pairs) to Hugging Face's (halves).
"""

import argparse
import json
import shutil
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

MODELS_DIRECTORY = Path(__file__).resolve().parent.parent
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
SMALL_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model")


def halves_from_pairs(matrix: np.ndarray, heads: int) -> np.ndarray:
    rows, columns = matrix.shape
    return matrix.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def hugging_face_name(name: str) -> str:
    base = name.removesuffix(".weight")
    if base in NAMES:
        return NAMES[base] + ".weight"
    _, index, part = base.split(".")
    return f"model.layers.{index}.{LAYER_NAMES[part]}.weight"


def convert(model: str, out: Path, source: Path | None = None) -> Path:
    """Writes the folder `out` and returns it."""
    folder = MODELS_DIRECTORY / model
    config = json.loads((folder / "config.json").read_text())
    reader = gguf.GGUFReader(source or folder / f"{model}-f16.gguf")
    weights = {}
    for tensor in reader.tensors:
        array = np.asarray(tensor.data).astype(np.float32)
        if ".attn_q." in tensor.name:
            array = halves_from_pairs(array, config["num_attention_heads"])
        elif ".attn_k." in tensor.name:
            array = halves_from_pairs(array, config["num_key_value_heads"])
        weights[hugging_face_name(tensor.name)] = np.ascontiguousarray(array)
    out.mkdir(parents=True, exist_ok=True)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    for name in SMALL_FILES:
        if (folder / name).exists():
            shutil.copy(folder / name, out / name)
    config["torch_dtype"] = "float32"
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("model", choices=["corral-tiny-2", "corral-tiny-3"])
    parser.add_argument("--gguf", type=Path, help="other GGUF than the one in the model's folder")
    options = parser.parse_args()
    convert(options.model, options.out, options.gguf)


if __name__ == "__main__":
    main()
