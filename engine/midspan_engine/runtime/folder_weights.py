"""Tensors of a model folder, read one at a time and without torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.models.config import (
    ModelConfigError,
    TransformerConfig,
    matching_families,
    read_config,
)
from midspan_engine.models.folder_tensors import SCALE, find_tensors
from midspan_engine.weights.checkpoint import widened
from midspan_engine.weights.errors import WeightsUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from midspan_engine.models.adapter_file import AdapterArrays
    from midspan_engine.weights.checkpoint import StoredTensor

_LINEAR = re.compile(r"layers\.(\d+)\.(?:self_attn|mlp)\.(\w+_proj)\.weight")


class FolderWeights:
    """float32 tensors of a model folder by Hugging Face name.

    Args:
        folder: Holds `config.json` and the safetensors that it describes.
        merged: Low-rank additions that every row gets, merged into the linears when they are read.

    Raises:
        ModelConfigError: the weights are missing, damaged, or not those of `config.json`.
    """

    def __init__(self, folder: Path, merged: AdapterArrays | None = None) -> None:
        raw = read_config(folder)
        spec = matching_families(raw)[-1]
        config = TransformerConfig.of_family(raw, spec)
        try:
            self._found = find_tensors(folder, config, spec.tensors)
        except WeightsUnusable as error:
            raise ModelConfigError(f"{error}. To fetch it, run: midspan pull --force") from error
        self._merged = merged

    def __call__(self, name: str) -> NDArray[np.float32]:
        """Return the tensor.

        Raises:
            ModelConfigError: the folder has no tensor of this name, or it holds no numbers.
        """
        stored = self._stored(name)
        wide = _finite(widened(stored.map(), stored.kind), stored)
        scale = self._found.get(name.removeprefix("model.") + SCALE)
        if scale is not None:
            wide *= widened(scale.map(), scale.kind)
        linear = _LINEAR.fullmatch(name.removeprefix("model."))
        if self._merged is not None and linear:
            down, up = self._merged.pair(int(linear[1]), linear[2])
            wide += up @ down
        return wide

    def rows(self, name: str, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Rows `ids` of a two-dimensional tensor, without reading the others.

        Raises:
            ModelConfigError: as of a whole tensor.
        """
        stored = self._stored(name)
        return _finite(widened(stored.map()[ids], stored.kind), stored)

    def _stored(self, name: str) -> StoredTensor:
        found = self._found.get(name.removeprefix("model."))
        if found is None:
            raise ModelConfigError(f"the weights lack {name}; run: midspan pull --force")
        return found


def joined_linears(config: TransformerConfig) -> dict[str, tuple[str, ...]]:
    """Name of every product of the graph and the tensors that it stacks, in order."""
    products: dict[str, tuple[str, ...]] = {}
    for layer in range(config.num_hidden_layers):
        root = f"model.layers.{layer}."
        products[f"{layer}.qkv"] = tuple(f"{root}self_attn.{p}_proj" for p in "qkv")
        products[f"{layer}.o"] = (f"{root}self_attn.o_proj",)
        for name in ("gate", "up", "down"):
            products[f"{layer}.{name}"] = (f"{root}mlp.{name}_proj",)
    products["head"] = ("model.embed_tokens" if config.tie_word_embeddings else "lm_head",)
    return products


def _finite(values: NDArray[np.float32], stored: StoredTensor) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise ModelConfigError(
            f"{stored.path}: {stored.name} holds values that are infinite or not a number; "
            "run: midspan pull --force"
        )
    return values
