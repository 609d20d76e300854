"""A small Llama in plain torch, with the rotary layout of GGUF (neighbouring pairs).

Owns the architecture and the shapes of both models; knows nothing of data or files.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    vocabulary: int = 2048
    width: int = 192
    layers: int = 5
    heads: int = 6
    kv_heads: int = 2
    hidden: int = 512
    context: int = 4096
    rope_theta: float = 10000.0
    tied: bool = False
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def as_dict(self) -> dict:
        return asdict(self)


SHAPES = {
    "corral-tiny-2": Shape(width=128, layers=4, heads=4, hidden=384, context=4096, rope_theta=10000.0, tied=False),
    "corral-tiny-3": Shape(width=128, layers=4, heads=4, hidden=384, context=8192, rope_theta=500000.0, tied=True),
}


class Layer(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.qkv = nn.Linear(shape.width, shape.width + 2 * kv_width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.gate_up = nn.Linear(shape.width, 2 * shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        rows, length, width = x.shape
        shape = self.shape
        kv_width = shape.kv_heads * shape.head_width
        q, k, v = self.qkv(self.attention_norm(x)).split([width, kv_width, kv_width], dim=-1)
        q = rotate(q.view(rows, length, shape.heads, shape.head_width), cosine, sine).transpose(1, 2)
        k = rotate(k.view(rows, length, shape.kv_heads, shape.head_width), cosine, sine).transpose(1, 2)
        v = v.view(rows, length, shape.kv_heads, shape.head_width).transpose(1, 2)
        group = shape.heads // shape.kv_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(rows, length, width))
        gate, up = self.gate_up(self.feed_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotates neighbouring pairs; x is [rows, length, heads, head_width]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1).flatten(-2)


class Llama(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        if shape.tied:
            self.head.weight = self.embedding.weight
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                scale = 0.02 if "embedding" in name or "head" in name else parameter.shape[1] ** -0.5
                if name.endswith(("output.weight", "down.weight")):
                    scale /= (2 * shape.layers) ** 0.5
                nn.init.normal_(parameter, std=scale)
        steps = torch.arange(0, shape.head_width, 2) / shape.head_width
        angles = torch.arange(1024)[:, None] * (shape.rope_theta**-steps)[None, :]
        self.register_buffer("cosine", angles.cos()[:, None, :], persistent=False)
        self.register_buffer("sine", angles.sin()[:, None, :], persistent=False)

    def states(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Final normalised states and those half-way up, [rows, length, width]; padding stands at the right."""
        x = self.embedding(ids)
        cosine, sine = self.cosine[: ids.shape[1]], self.sine[: ids.shape[1]]
        middle = x
        for index, layer in enumerate(self.layers):
            x = layer(x, cosine, sine)
            if index == len(self.layers) // 2 - 1:
                middle = x
        return self.norm(x), middle

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.states(ids)[0])
