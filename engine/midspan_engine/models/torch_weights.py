"""Checked tensors of a model folder, as the state of a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from midspan_engine.models.config import ModelConfigError
from midspan_engine.models.folder_tensors import SCALE, find_tensors
from midspan_engine.weights.errors import WeightsUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.models.family_spec import TensorNames
    from midspan_engine.weights.checkpoint import StoredTensor


def read_weights(
    folder: Path,
    config: TransformerConfig,
    names: TensorNames,
    dtype: torch.dtype,
    device: str,
) -> dict[str, torch.Tensor]:
    """State of a `Transformer`; memory-mapped where `dtype` and `device` are those of the file.

    Raises:
        ModelConfigError: the weights are missing, damaged, or not those of `config`.
    """
    try:
        found = find_tensors(folder, config, names)
        for tensor in found.values():
            tensor.check_finite()
        weights = {name: _as_torch(tensor) for name, tensor in found.items()}
    except WeightsUnusable as error:
        raise ModelConfigError(str(error)) from error
    for name in [name for name in weights if name.endswith(SCALE)]:
        matrix = name.removesuffix(SCALE)
        weights[matrix] = weights[matrix].float() * weights.pop(name).float()
    # Norm weights are tiny and stay in fp32, as the residual stream does.
    return {
        name: tensor.to(device, torch.float32 if "norm" in name else dtype)
        for name, tensor in weights.items()
    }


def _as_torch(tensor: StoredTensor) -> torch.Tensor:
    mapped = torch.from_numpy(tensor.map())
    return mapped.view(torch.bfloat16) if tensor.kind == "BF16" else mapped
