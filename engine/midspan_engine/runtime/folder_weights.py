"""Tensors of a model folder, read one at a time and without torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from midspan_engine.models.config import ModelConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from midspan_engine.models.adapter_file import AdapterArrays

_LINEAR = re.compile(r"model\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+_proj)\.weight")


class FolderWeights:
    """float32 tensors of a model folder by Hugging Face name.

    Args:
        folder: Holds `*.safetensors`.
        merged: Low-rank additions that every row gets, merged into the linears when they are read.
    """

    def __init__(self, folder: Path, merged: AdapterArrays | None = None) -> None:
        try:
            files = [safe_open(p, framework="numpy") for p in sorted(folder.glob("*.safetensors"))]
        except (OSError, SafetensorError) as error:
            raise ModelConfigError(
                f"the weights in {folder} are damaged ({error}); run: midspan pull --force"
            ) from error
        self._merged = merged
        self._where = {name: file for file in files for name in file.keys()}  # noqa: SIM118

    def __call__(self, name: str) -> NDArray[np.float32]:
        """Return the tensor.

        Raises:
            ModelConfigError: the folder has no tensor of this name.
        """
        if name not in self._where:
            raise ModelConfigError(f"the weights lack {name}; run: midspan pull --force")
        tensor: NDArray[Any] = self._where[name].get_tensor(name)
        wide = tensor.astype(np.float32)
        linear = _LINEAR.fullmatch(name)
        if self._merged is not None and linear:
            down, up = self._merged.pair(int(linear[1]), linear[2])
            wide += up @ down
        return wide

    def rows(self, name: str, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Rows `ids` of a two-dimensional tensor, without reading the others."""
        part = self._where[name].get_slice(name)
        picked = np.stack([part[int(i) : int(i) + 1][0] for i in ids])
        return picked.astype(np.float32)
