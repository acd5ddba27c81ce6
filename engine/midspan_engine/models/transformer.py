"""The one transformer behind every model, in torch, with an optional adapter on chosen rows.

The network is that of the Llama and Qwen2 reports (arXiv 2302.13971, 2407.10671): grouped-query
attention, rotary positions, RMSNorm and SwiGLU, with biases on q, k and v (Qwen2) or norms on q and
k (Qwen3) where the config says so. The residual stream is kept in fp32; linears and attention run
in the dtype of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from midspan_engine.models.config import TransformerConfig, matching_families, read_config
from midspan_engine.models.packed_linear import PackedLinear
from midspan_engine.models.torch_weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from midspan_engine.models.adapter import Adapter, AdapterLayer
    from midspan_engine.models.family_spec import TensorNames

KeyValues = tuple[Tensor, Tensor]
"""Rotated keys and values of one layer, each `[batch, kv_heads, tokens, head_dim]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerOutput:
    """What one pass gives back."""

    hidden: Tensor
    """After the final norm, fp32, `[batch, tokens, hidden]`."""
    keys_values: tuple[KeyValues, ...]
    """Of the new tokens only, one pair a layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What every layer needs to know about the rows of this pass."""

    dtype: torch.dtype
    cos: Tensor
    sin: Tensor
    bias: Tensor | None
    """Additive, `[batch or 1, 1, groups * rows, keys]`; None: `causal` says what rows see."""
    causal: bool
    flags: Tensor | None


class Attention(nn.Module):
    """Grouped-query attention; the query heads of a group are folded into the row axis."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        hidden, width = config.hidden_size, config.num_attention_heads * config.head_dim
        kv_width = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(hidden, width, bias=config.qkv_bias)
        self.k_proj = nn.Linear(hidden, kv_width, bias=config.qkv_bias)
        self.v_proj = nn.Linear(hidden, kv_width, bias=config.qkv_bias)
        self.o_proj = nn.Linear(width, hidden, bias=False)
        if config.qk_norm:
            self.q_norm = nn.RMSNorm(config.head_dim, config.rms_norm_eps)
            self.k_norm = nn.RMSNorm(config.head_dim, config.rms_norm_eps)

    def forward(
        self, x: Tensor, rows: _Rows, past: KeyValues | None, adapter: AdapterLayer | None
    ) -> tuple[Tensor, KeyValues]:
        batch, count, _ = x.shape
        groups, size = self.config.query_groups, self.config.head_dim

        def heads(linear: nn.Module, name: str) -> Tensor:
            flat = _project(linear, x, name, rows, adapter)
            return flat.view(batch, count, -1, size).transpose(1, 2)

        queries, keys = heads(self.q_proj, "q_proj"), heads(self.k_proj, "k_proj")
        if self.config.qk_norm:
            queries, keys = (
                norm(part.float()).to(part.dtype)
                for norm, part in ((self.q_norm, queries), (self.k_norm, keys))
            )
        queries, keys = (_turn(part, rows.cos, rows.sin) for part in (queries, keys))
        values = heads(self.v_proj, "v_proj")
        seen = (keys, values)
        if past is not None:
            seen = (torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2))
        mixed = _attend(queries, *seen, rows, groups)
        mixed = mixed.transpose(1, 2).reshape(batch, count, -1)
        return _project(self.o_proj, mixed, "o_proj", rows, adapter), (keys, values)


class SwiGlu(nn.Module):
    """SwiGLU."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor, rows: _Rows, adapter: AdapterLayer | None) -> Tensor:
        gate = _project(self.gate_proj, x, "gate_proj", rows, adapter)
        up = _project(self.up_proj, x, "up_proj", rows, adapter)
        return _project(self.down_proj, functional.silu(gate) * up, "down_proj", rows, adapter)


class TransformerLayer(nn.Module):
    """One decoder layer."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = SwiGlu(config)

    def forward(
        self, x: Tensor, rows: _Rows, past: KeyValues | None, adapter: AdapterLayer | None
    ) -> tuple[Tensor, KeyValues]:
        dtype = rows.dtype
        mixed, keys_values = self.self_attn(self.input_layernorm(x).to(dtype), rows, past, adapter)
        x = x + mixed.float()
        x = x + self.mlp(self.post_attention_layernorm(x).to(dtype), rows, adapter).float()
        return x, keys_values


class Transformer(nn.Module):
    """The network with a tied or untied head; parameter names are those of Hugging Face."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            TransformerLayer(config) for _ in range(config.num_hidden_layers)
        )
        self.norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @classmethod
    def from_folder(
        cls, folder: Path, *, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> Transformer:
        """Load `config.json` and `*.safetensors` of a folder in Hugging Face layout.

        Raises:
            ModelConfigError: the folder holds no weights, damaged ones, or those of another shape.
        """
        raw = read_config(folder)
        spec = matching_families(raw)[-1]
        config = TransformerConfig.of_family(raw, spec)
        return cls.from_weights(folder, config, spec.tensors, dtype, device)

    @classmethod
    def from_weights(
        cls,
        folder: Path,
        config: TransformerConfig,
        names: TensorNames,
        dtype: torch.dtype,
        device: str,
    ) -> Transformer:
        """Load the tensors of a folder, called as `names` says.

        Raises:
            ModelConfigError: the weights are missing, damaged, or not those of `config`.
        """
        weights = read_weights(folder, config, names, dtype, device)
        with torch.device("meta"):
            model = cls(config)
        model.load_state_dict(weights, assign=True)
        return model.requires_grad_(requires_grad=False).eval()

    @property
    def head_weight(self) -> Tensor:
        """`[vocab, hidden]`."""
        tied = self.config.tie_word_embeddings
        return self.embed_tokens.weight if tied else self.lm_head.weight

    def embed(self, ids: Tensor) -> Tensor:
        """Ids `[...]` to embeddings `[..., hidden]`."""
        embedded: Tensor = self.embed_tokens(ids)
        return embedded

    def head(self, hidden: Tensor) -> Tensor:
        """Logits `[..., vocab]`, fp32, of the rows `[..., hidden]` that the caller chose."""
        weight = self.head_weight
        return functional.linear(hidden.to(weight.dtype), weight).float()

    def forward(
        self,
        inputs: Tensor,
        positions: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = True,
        past: Sequence[KeyValues] | None = None,
        adapter: Adapter | None = None,
        adapter_rows: Tensor | None = None,
    ) -> TransformerOutput:
        """Run the new tokens against the cached ones.

        Args:
            inputs: ids `[batch, tokens]` or embeddings `[batch, tokens, hidden]`.
            positions: `[batch, tokens]`.
            mask: bool, True where a row may attend, `[batch or 1, tokens, past + tokens]`; None
                leaves it to `causal`.
            causal: without a mask, whether a row sees only what stands before it.
            past: keys and values of earlier tokens, one pair a layer.
            adapter: low-rank additions to the linears.
            adapter_rows: bool `[batch, tokens]`, the rows that the adapter acts on; None means all.
        """
        x = self.embed(inputs) if inputs.dim() == 2 else inputs  # noqa: PLR2004 - ids
        dtype = self.embed_tokens.weight.dtype
        length = past[0][0].shape[2] if past else 0
        if mask is None and causal and length:
            mask = _causal(x.shape[1], length, x.device)
        cos, sin = _angles(positions, self.config)
        flags = None if adapter_rows is None else adapter_rows.unsqueeze(-1).to(dtype)
        bias = None if mask is None else _additive(mask, dtype, self.config.query_groups)
        rows = _Rows(dtype=dtype, cos=cos, sin=sin, bias=bias, causal=causal, flags=flags)
        x = x.float()
        new = []
        for index, layer in enumerate(self.layers):
            x, keys_values = layer(
                x, rows, past[index] if past else None, adapter.layers[index] if adapter else None
            )
            new.append(keys_values)
        return TransformerOutput(hidden=self.norm(x), keys_values=tuple(new))


def rotate_by(keys: Tensor, moves: Tensor, config: TransformerConfig) -> Tensor:
    """Keys `[1 or batch, kv_heads, tokens, head_dim]`, moved by so many positions.

    Rotations add up, so keys that stand in a cache need not be computed again to stand elsewhere.

    Args:
        keys: Rotated already.
        moves: Positions to move by, `[batch, tokens]`.
        config: Of their network.
    """
    cos, sin = _angles(moves, config)
    return _turn(keys, cos, sin)


def _project(
    linear: nn.Module, x: Tensor, name: str, rows: _Rows, adapter: AdapterLayer | None
) -> Tensor:
    if adapter is not None and rows.flags is None and isinstance(linear, PackedLinear):
        return linear.adapted(x, *adapter.parts(name))
    y: Tensor = linear(x)
    if adapter is None:
        return y
    delta = adapter.delta(name, x)
    return y + (delta if rows.flags is None else delta * rows.flags)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, rows: _Rows, groups: int) -> Tensor:
    """`[batch, heads, rows, head_dim]`; the heads of a group become rows of their shared head."""
    if rows.bias is None and rows.causal:
        keys, values = (part.repeat_interleave(groups, dim=1) for part in (keys, values))
        return functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    batch, _, count, size = queries.shape
    folded = queries.reshape(batch, -1, groups * count, size)
    mixed = functional.scaled_dot_product_attention(folded, keys, values, attn_mask=rows.bias)
    return mixed.reshape(batch, -1, count, size)


def _causal(count: int, past: int, device: torch.device) -> Tensor:
    full = torch.ones(count, past + count, dtype=torch.bool, device=device)
    return full.tril(diagonal=past).unsqueeze(0)


def _additive(mask: Tensor, dtype: torch.dtype, groups: int) -> Tensor:
    bias = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return bias.masked_fill_(~mask, float("-inf")).unsqueeze(1).repeat(1, 1, groups, 1)


def _angles(positions: Tensor, config: TransformerConfig) -> tuple[Tensor, Tensor]:
    half = torch.arange(0, config.head_dim, 2, device=positions.device, dtype=torch.float32)
    inverse = config.rope_theta ** -(half / config.head_dim)
    angles = positions.float().unsqueeze(-1) * inverse
    both = torch.cat([angles, angles], dim=-1).unsqueeze(1)
    return both.cos(), both.sin()


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    wide = x.float()
    first, second = wide.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return (wide * cos + turned * sin).to(x.dtype)
