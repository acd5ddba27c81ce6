"""Tensors of a model folder, read one at a time and without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from midspan_engine.models.config import ModelConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class FolderWeights:
    """float32 tensors of a model folder by Hugging Face name."""

    def __init__(self, folder: Path) -> None:
        try:
            files = [safe_open(p, framework="numpy") for p in sorted(folder.glob("*.safetensors"))]
        except (OSError, SafetensorError) as error:
            raise ModelConfigError(
                f"the weights in {folder} are damaged ({error}); run: midspan pull --force"
            ) from error
        self._where = {name: file for file in files for name in file.keys()}  # noqa: SIM118

    def __call__(self, name: str) -> NDArray[np.float32]:
        """Return the tensor.

        Raises:
            ModelConfigError: the folder has no tensor of this name.
        """
        if name not in self._where:
            raise ModelConfigError(f"the weights lack {name}; run: midspan pull --force")
        tensor: NDArray[Any] = self._where[name].get_tensor(name)
        return tensor.astype(np.float32)

    def rows(self, name: str, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Rows `ids` of a two-dimensional tensor, without reading the others."""
        part = self._where[name].get_slice(name)
        picked = np.stack([part[int(i) : int(i) + 1][0] for i in ids])
        return picked.astype(np.float32)
