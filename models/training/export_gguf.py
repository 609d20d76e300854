"""Writes a training checkpoint as the model's F16 GGUF and its config.json.

The checkpoint already has the rotary layout of GGUF, so nothing is permuted here; matrices
become F16, norms stay F32. The file is replaced in one step.
"""

import argparse
import json
import os
from pathlib import Path

import gguf
import numpy as np
import torch

from formats import FORMATS, TINY_3_SPECIALS
from generate_text import MODELS_DIRECTORY
from llama_model import Shape

NAMES = {
    "attention_norm.weight": "attn_norm.weight",
    "output.weight": "attn_output.weight",
    "feed_norm.weight": "ffn_norm.weight",
    "down.weight": "ffn_down.weight",
}


def tensors(weights: dict[str, torch.Tensor], shape: Shape):
    """(GGUF name, array) of every tensor."""
    kv_width = shape.kv_heads * shape.head_width
    yield "token_embd.weight", weights["embedding.weight"]
    for index in range(shape.layers):
        layer = {
            name.removeprefix(f"layers.{index}."): value
            for name, value in weights.items()
            if name.startswith(f"layers.{index}.")
        }
        q, k, v = layer.pop("qkv.weight").split([shape.width, kv_width, kv_width])
        gate, up = layer.pop("gate_up.weight").chunk(2)
        named = {
            "attn_q.weight": q,
            "attn_k.weight": k,
            "attn_v.weight": v,
            "ffn_gate.weight": gate,
            "ffn_up.weight": up,
        }
        named |= {NAMES[name]: value for name, value in layer.items()}
        for name, value in named.items():
            yield f"blk.{index}.{name}", value
    yield "output_norm.weight", weights["norm.weight"]
    if not shape.tied:
        yield "output.weight", weights["head.weight"]


def add_tiny_2_vocabulary(writer: gguf.GGUFWriter, folder: Path) -> None:
    import sentencepiece as spm

    processor = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    pieces, scores, types = [], [], []
    for index in range(processor.get_piece_size()):
        pieces.append(processor.id_to_piece(index).encode())
        scores.append(processor.get_score(index))
        kind = gguf.TokenType.NORMAL
        if processor.is_unknown(index):
            kind = gguf.TokenType.UNKNOWN
        elif processor.is_control(index):
            kind = gguf.TokenType.CONTROL
        elif processor.is_byte(index):
            kind = gguf.TokenType.BYTE
        types.append(kind)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)


def add_tiny_3_vocabulary(writer: gguf.GGUFWriter, folder: Path) -> None:
    record = json.loads((folder / "tokenizer.json").read_text())
    ids = dict(record["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in record["added_tokens"]}
    by_id = sorted(ids, key=ids.get)
    special = set(TINY_3_SPECIALS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([token.encode() for token in by_id])
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in by_id])
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in record["model"]["merges"]])
    writer.add_bos_token_id(ids["<|begin_of_text|>"])
    writer.add_eos_token_id(ids["<|eot_id|>"])
    writer.add_eot_token_id(ids["<|eot_id|>"])
    writer.add_eom_token_id(ids["<|eom_id|>"])
    writer.add_pad_token_id(ids["<|finetune_right_pad_id|>"])
    writer.add_add_bos_token(True)


def write_gguf(model: str, checkpoint: Path, target: Path) -> None:
    stored = torch.load(checkpoint)
    shape = Shape(**stored["shape"])
    folder = MODELS_DIRECTORY / model
    temporary = target.with_suffix(".partial")
    writer = gguf.GGUFWriter(temporary, "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Corral Tiny " + model[-1])
    writer.add_basename("corral-tiny")
    writer.add_version(model[-1])
    writer.add_organization("Corral")
    writer.add_description(
        "Llama architecture, trained from scratch on generated conversations about Corral, machine learning and small talk."
    )
    writer.add_license("apache-2.0")
    writer.add_languages(["en"])
    writer.add_size_label(f"{sum(w.numel() for w in dict(tensors(stored['weights'], shape)).values()) / 1e6:.1f}M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    (add_tiny_2_vocabulary if model == "corral-tiny-2" else add_tiny_3_vocabulary)(writer, folder)
    writer.add_chat_template(FORMATS[model](str(folder / "tokenizer.json")).template)
    for name, value in tensors(stored["weights"], shape):
        array = value.numpy()
        writer.add_tensor(name, array.astype(np.float32 if array.ndim == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(temporary, target)


def write_config(model: str, checkpoint: Path) -> None:
    """The Hugging Face config.json that belongs to the weights."""
    shape = Shape(**torch.load(checkpoint)["shape"])
    folder = MODELS_DIRECTORY / model
    generation = json.loads((folder / "generation_config.json").read_text())
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": generation["bos_token_id"],
        "eos_token_id": generation["eos_token_id"],
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "initializer_range": 0.02,
        "intermediate_size": shape.hidden,
        "max_position_embeddings": shape.context,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": shape.epsilon,
        "rope_scaling": None,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": "float16",
        "use_cache": True,
        "vocab_size": shape.vocabulary,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(FORMATS))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, help="other place for the GGUF; config.json is then left alone")
    options = parser.parse_args()
    if options.out:
        write_gguf(options.model, options.checkpoint, options.out)
        return
    write_gguf(options.model, options.checkpoint, MODELS_DIRECTORY / options.model / f"{options.model}-f16.gguf")
    write_config(options.model, options.checkpoint)


if __name__ == "__main__":
    main()
