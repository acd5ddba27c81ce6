"""The diffusion adapter: low-rank additions (LoRA, arXiv 2106.09685) and a mask embedding."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from midspan_engine.models.adapter_file import (
    FORMAT_VERSION,
    LINEARS,
    SCALE,
    AdapterError,
    linear_sizes,
    read_tensors,
)

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.models.adapter_file import AdapterInfo, AdapterKind
    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.models.transformer import Transformer


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
    """LoRA on all seven linears of every layer, and one learned embedding where there are masks."""

    def __init__(
        self, config: TransformerConfig, *, rank: int, alpha: float, masks: bool = True
    ) -> None:
        super().__init__()
        self.rank, self.alpha = rank, alpha
        sizes = linear_sizes(config)
        self.layers = nn.ModuleList(
            AdapterLayer({name: LowRank(*sizes[name], rank, alpha / rank) for name in LINEARS})
            for _ in range(config.num_hidden_layers)
        )
        if masks:
            self.mask_embedding = nn.Parameter(torch.zeros(config.hidden_size))

    def save(self, path: Path, info: AdapterInfo, *, exact: bool = False) -> None:
        """Write the file under a temporary name and move it into place.

        Matrices are stored as int8 with a float32 scale for each row, or in float32 where `exact`.

        Raises:
            AdapterError: a value is not finite.
        """
        tensors: dict[str, Tensor] = {}
        for name, value in self.state_dict().items():
            wide = value.detach().to("cpu", torch.float32).contiguous()
            if not bool(torch.isfinite(wide).all()):
                raise AdapterError(f"tensor {name!r} holds a value that is not finite; not saved")
            if exact or wide.dim() == 1:
                tensors[name] = wide
                continue
            scale = (wide.abs().amax(dim=1, keepdim=True) / 127).clamp(min=1e-20)
            tensors[name] = torch.round(wide / scale).to(torch.int8)
            tensors[name + SCALE] = scale
        metadata = {
            "format": FORMAT_VERSION,
            "base_sha256": info.base_sha256,
            "base_name": info.base_name,
            "rank": str(info.rank),
            "alpha": str(info.alpha),
            "block": str(info.block),
            "tokens_trained": str(info.tokens_trained),
            "kind": info.kind,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        save_file(tensors, temporary, metadata=metadata)
        temporary.chmod(0o644)  # safetensors lets nobody else read it
        temporary.replace(path)


def load_adapter(
    path: Path,
    config: TransformerConfig,
    *,
    base_sha256: str,
    kind: AdapterKind = "mask",
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> tuple[Adapter, AdapterInfo]:
    """Read an adapter that was trained for the weights with sum `base_sha256`.

    Raises:
        AdapterError: see `adapter_file.read_tensors`.
    """
    arrays, info = read_tensors(path, config, base_sha256=base_sha256, kind=kind)
    with torch.device("meta"):
        adapter = Adapter(config, rank=info.rank, alpha=info.alpha, masks=kind == "mask")
    tensors = {
        name: torch.tensor(array, dtype=dtype, device=device) for name, array in arrays.items()
    }
    adapter.load_state_dict(tensors, assign=True)
    return adapter, info


@torch.no_grad()
def merge_adapter(model: Transformer, adapter: Adapter) -> None:
    """Add the low-rank products to the model's own weights, in place."""
    for index, layer in enumerate(model.layers):
        for owner in layer.children():
            for name, linear in owner.named_children():
                if isinstance(linear, nn.Linear):
                    down, up, scale = cast("AdapterLayer", adapter.layers[index]).parts(name)
                    merged = linear.weight.float() + scale * (up.float() @ down.float())
                    linear.weight.copy_(merged)
