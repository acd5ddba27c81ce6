"""What tests of several runtimes need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from midspan_engine.models.adapter import Adapter
from midspan_engine.models.adapter_file import AdapterInfo
from midspan_engine.models.config import TransformerConfig
from midspan_engine.runtime.quantised import Merge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.models.adapter_file import AdapterArrays, AdapterKind


@pytest.fixture(scope="session")
def tiny_low_rank(tiny_folder: Path, tiny_adapter: AdapterArrays) -> Adapter:
    """`tiny_adapter` as torch has it."""
    adapter = Adapter(TransformerConfig.from_folder(tiny_folder), rank=4, alpha=8.0)
    assert tiny_adapter.mask_embedding is not None
    state = {"mask_embedding": torch.from_numpy(tiny_adapter.mask_embedding)}
    for (layer, name), (a, b) in tiny_adapter.pairs.items():
        state[f"layers.{layer}.{name}.lora_a"] = torch.from_numpy(a)
        state[f"layers.{layer}.{name}.lora_b"] = torch.from_numpy(b / 2)  # alpha / rank
    adapter.load_state_dict(state)
    return adapter


@pytest.fixture
def merged_file(tiny_folder: Path, tmp_path: Path) -> Callable[..., Merge]:
    """Writes adapters that are merged, whose low-rank weights change every prediction."""

    def write(name: str, *, kind: AdapterKind = "infill", seed: int = 5) -> Merge:
        torch.manual_seed(seed)
        config = TransformerConfig.from_folder(tiny_folder)
        adapter = Adapter(config, rank=2, alpha=2.0, masks=False)
        for parameter in adapter.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        info = AdapterInfo(
            base_sha256="b" * 64,
            base_name="tiny",
            rank=2,
            alpha=2.0,
            block=1,
            tokens_trained=1,
            kind=kind,
        )
        path = tmp_path / f"{name}.safetensors"
        adapter.save(path, info, exact=True)
        return Merge(path, "b" * 64, kind)

    return write
