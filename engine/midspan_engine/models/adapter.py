"""The diffusion adapter: low-rank additions (LoRA, arXiv 2106.09685) and a mask embedding."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.models.config import Qwen2Config

FORMAT_VERSION = "1"
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class AdapterError(ValueError):
    """The adapter file cannot be used with this model; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterInfo:
    """What an adapter file says about itself."""

    base_sha256: str
    """Sum of the weights file that it was trained on."""
    base_name: str
    rank: int
    alpha: float
    block: int
    """Longest block, in tokens, that training used."""
    tokens_trained: int
    """Supervised tokens so far."""


class LowRank(nn.Module):
    """`y += B A x * alpha / rank`; A is `[rank, in]`, B is `[out, rank]` and starts at zero."""

    def __init__(self, wide_in: int, wide_out: int, rank: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.lora_a = nn.Parameter(torch.empty(rank, wide_in))
        self.lora_b = nn.Parameter(torch.zeros(wide_out, rank))
        if self.lora_a.device.type != "meta":
            nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        narrow = functional.linear(x, self.lora_a.to(x.dtype))
        return functional.linear(narrow, (self.lora_b * self.scale).to(x.dtype))


class AdapterLayer(nn.ModuleDict):
    """The additions of one decoder layer, by the name of the linear."""

    def delta(self, name: str, x: Tensor) -> Tensor:
        """What is added to the output of linear `name` for input `x` `[..., in]`."""
        added: Tensor = self[name](x)
        return added

    def parts(self, name: str) -> tuple[Tensor, Tensor, float]:
        """(A, B, scale) of linear `name`."""
        low = cast("LowRank", self[name])
        return low.lora_a, low.lora_b, low.scale


class Adapter(nn.Module):
    """LoRA on all seven linears of every layer, and one learned embedding for masks."""

    def __init__(self, config: Qwen2Config, *, rank: int, alpha: float) -> None:
        super().__init__()
        self.rank, self.alpha = rank, alpha
        sizes = linear_sizes(config)
        self.layers = nn.ModuleList(
            AdapterLayer({name: LowRank(*sizes[name], rank, alpha / rank) for name in LINEARS})
            for _ in range(config.num_hidden_layers)
        )
        self.mask_embedding = nn.Parameter(torch.zeros(config.hidden_size))

    def save(self, path: Path, info: AdapterInfo, *, dtype: torch.dtype = torch.bfloat16) -> None:
        """Write the file under a temporary name and move it into place.

        Raises:
            AdapterError: a value is not finite.
        """
        tensors = {
            name: value.detach().to("cpu", dtype).contiguous()
            for name, value in self.state_dict().items()
        }
        for name, value in tensors.items():
            _check_finite(name, value, "not saved")
        metadata = {
            "format": FORMAT_VERSION,
            "base_sha256": info.base_sha256,
            "base_name": info.base_name,
            "rank": str(info.rank),
            "alpha": str(info.alpha),
            "block": str(info.block),
            "tokens_trained": str(info.tokens_trained),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        save_file(tensors, temporary, metadata=metadata)
        temporary.replace(path)


def linear_sizes(config: Qwen2Config) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of each linear of a layer."""
    hidden, middle = config.hidden_size, config.intermediate_size
    width = config.num_attention_heads * config.head_dim
    kv_width = config.num_key_value_heads * config.head_dim
    return {
        "q_proj": (hidden, width),
        "k_proj": (hidden, kv_width),
        "v_proj": (hidden, kv_width),
        "o_proj": (width, hidden),
        "gate_proj": (hidden, middle),
        "up_proj": (hidden, middle),
        "down_proj": (middle, hidden),
    }


def read_adapter_info(path: Path) -> AdapterInfo:
    """Metadata of an adapter file, without its tensors.

    Raises:
        AdapterError: not an adapter file, or one of a newer format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"the adapter {path} is missing or damaged ({error}): fetch it again, or train one "
            "with `midspan train adapter`"
        ) from error
    if metadata.get("format") != FORMAT_VERSION:
        raise AdapterError(
            f"the adapter {path} has format {metadata.get('format')!r}, this version reads "
            f"{FORMAT_VERSION!r}: update midspan or use the adapter that came with it"
        )
    try:
        return AdapterInfo(
            base_sha256=metadata["base_sha256"],
            base_name=metadata["base_name"],
            rank=int(metadata["rank"]),
            alpha=float(metadata["alpha"]),
            block=int(metadata["block"]),
            tokens_trained=int(metadata["tokens_trained"]),
        )
    except (KeyError, ValueError) as error:
        raise AdapterError(f"the adapter {path} has incomplete metadata: {error}") from error


def load_adapter(
    path: Path,
    config: Qwen2Config,
    *,
    base_sha256: str,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> tuple[Adapter, AdapterInfo]:
    """Read an adapter that was trained for the weights with sum `base_sha256`.

    Raises:
        AdapterError: another base, a damaged file, an unknown, missing or misshapen tensor, or a
            value that is not finite; the message names it and says what to do.
    """
    info = read_adapter_info(path)
    if info.base_sha256 != base_sha256:
        raise AdapterError(
            f"the adapter {path} was trained for {info.base_name} (sha256 "
            f"{info.base_sha256[:12]}…), the loaded weights have {base_sha256[:12]}…: use the "
            "weights it belongs to, or train an adapter for yours with `midspan train adapter`"
        )
    with torch.device("meta"):
        adapter = Adapter(config, rank=info.rank, alpha=info.alpha)
    expected = {name: value.shape for name, value in adapter.state_dict().items()}
    tensors = _read_checked(path, expected, dtype, device)
    adapter.load_state_dict(tensors, assign=True)
    return adapter, info


def _read_checked(
    path: Path, expected: dict[str, torch.Size], dtype: torch.dtype, device: str
) -> dict[str, Tensor]:
    advice = f"{path} cannot be used: fetch the adapter again"
    tensors: dict[str, Tensor] = {}
    with safe_open(path, framework="pt", device=device) as file:
        names = set(file.keys())
        for name in sorted(names - expected.keys()):
            raise AdapterError(f"unknown tensor {name!r}; {advice}")
        for name in sorted(expected.keys() - names):
            raise AdapterError(f"tensor {name!r} is missing; {advice}")
        for name, shape in expected.items():
            value = file.get_tensor(name)
            if value.shape != shape:
                raise AdapterError(
                    f"tensor {name!r} has shape {tuple(value.shape)}, not {tuple(shape)}; {advice}"
                )
            _check_finite(name, value, advice)
            tensors[name] = value.to(dtype)
    return tensors


def _check_finite(name: str, value: Tensor, advice: str) -> None:
    if not bool(torch.isfinite(value).all()):
        raise AdapterError(f"tensor {name!r} holds a value that is not finite (NaN); {advice}")
