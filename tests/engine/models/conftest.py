from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from midspan_engine.models.config import TransformerConfig
from midspan_engine.models.transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

SIZES = {
    "model_type": "qwen2",
    "vocab_size": 97,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "max_position_embeddings": 256,
}


@pytest.fixture
def small_folder(tmp_path: Path) -> Callable[[bool], Path]:
    """A random checkpoint in Hugging Face layout, with a tied or an untied head."""

    def make(tied: bool) -> Path:
        folder = tmp_path / ("tied" if tied else "untied")
        folder.mkdir()
        raw = {**SIZES, "tie_word_embeddings": tied}
        (folder / "config.json").write_text(json.dumps(raw))
        torch.manual_seed(3)
        model = Transformer(TransformerConfig.from_mapping(raw))
        tensors = {}
        for name, value in model.state_dict().items():
            # Larger than usual, so that a wrong sign or order cannot hide.
            stored = value if name.startswith("lm_head") else value * 1.5
            tensors[name if name.startswith("lm_head") else f"model.{name}"] = stored.contiguous()
        save_file(tensors, folder / "model.safetensors")
        return folder

    return make


@pytest.fixture
def small_model(small_folder: Callable[[bool], Path]) -> Transformer:
    return Transformer.from_folder(small_folder(True))


class _LladaNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        variance = x.pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + 1e-5))


def _llada_rotate(x: Tensor) -> Tensor:
    """`[batch, heads, tokens, size]`, halves turned against each other."""
    size, count = x.shape[-1], x.shape[-2]
    inverse = 1.0 / (500_000.0 ** (torch.arange(0, size, 2).float() / size))
    angles = torch.einsum("i,j->ij", torch.arange(count).float(), inverse)
    positions = torch.cat((angles, angles), dim=-1)[None, None]
    first, second = x.view(*x.shape[:-1], 2, size // 2).unbind(dim=-2)
    turned = torch.cat((-second, first), dim=-1)
    return x * positions.cos() + turned * positions.sin()


class _LladaBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn_norm, self.ff_norm = _LladaNorm(48), _LladaNorm(48)
        self.q_proj, self.k_proj = (nn.Linear(48, 48, bias=False) for _ in range(2))
        self.v_proj, self.attn_out = (nn.Linear(48, 48, bias=False) for _ in range(2))
        self.ff_proj = nn.Linear(48, 80, bias=False)
        self.up_proj = nn.Linear(48, 80, bias=False)
        self.ff_out = nn.Linear(80, 48, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, _ = x.shape
        normed = self.attn_norm(x)
        q, k, v = (
            linear(normed).view(batch, count, 4, 12).transpose(1, 2)
            for linear in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(_llada_rotate(q), _llada_rotate(k), v)
        x = x + self.attn_out(mixed.transpose(1, 2).reshape(batch, count, 48))
        normed = self.ff_norm(x)
        wide = functional.silu(self.ff_proj(normed)) * self.up_proj(normed)
        result: Tensor = x + self.ff_out(wide)
        return result


class _Llada(nn.Module):
    """In the manner of the published code; its tensors have the published names."""

    def __init__(self) -> None:
        super().__init__()
        parts = {
            "wte": nn.Embedding(120, 48),
            "blocks": nn.ModuleList([_LladaBlock(), _LladaBlock()]),
            "ln_f": _LladaNorm(48),
            "ff_out": nn.Linear(48, 120, bias=False),
        }
        self.model = nn.ModuleDict({"transformer": nn.ModuleDict(parts)})

    def forward(self, ids: Tensor) -> Tensor:
        parts: Any = self.model["transformer"]
        x = parts["wte"](ids)
        for block in parts["blocks"]:
            x = block(x)
        logits: Tensor = parts["ff_out"](parts["ln_f"](x))
        return logits


@pytest.fixture
def llada() -> type[nn.Module]:
    """LLaDA's network as its makers wrote it, small."""
    return _Llada
