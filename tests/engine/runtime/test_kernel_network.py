"""The network in bf16, as on a GPU: every tensor has the dtype that the kernels ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine.models.adapter import Adapter
from midspan_engine.models.config import TransformerConfig
from midspan_engine.models.transformer import Transformer
from midspan_engine.runtime.blocks import BLOCK, CachedSequence
from midspan_engine.runtime.kernel_buckets import Ladder, pack
from midspan_engine.runtime.kernel_layers import KernelWeights, Stored, misfit
from midspan_engine.runtime.kernel_network import KernelNetwork
from midspan_engine.runtime.kernel_rows import PassRows
from midspan_engine.runtime.rows import RowGroup

if TYPE_CHECKING:
    from pathlib import Path


def logits(folder: Path, dtype: torch.dtype, stored: Stored) -> torch.Tensor:
    torch.manual_seed(2)
    config = TransformerConfig.from_folder(folder)
    adapter = Adapter(config, rank=4, alpha=4.0)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model = Transformer.from_folder(folder, dtype=dtype)
    storage = torch.zeros((2, 2, 4, 2, BLOCK, config.head_dim), dtype=dtype)
    with torch.no_grad():
        weights = KernelWeights.take(model, adapter, stored)
        network = KernelNetwork(config, weights, storage)
        sequence = CachedSequence()
        sequence.blocks = [2, 0]
        group = RowGroup(
            sequence=sequence,
            start=0,
            ids=np.arange(40, dtype=np.int32),
            masked=np.arange(40) >= 34,
            behind=np.where(np.arange(40) < 34, -1, 33).astype(np.int32),
            wanted=np.arange(40, dtype=np.int32),
        )
        rows = PassRows.of([group])
        bucket = Ladder().bucket(rows)
        hidden = network.hidden(torch.from_numpy(pack(rows, bucket)), bucket)
        assert hidden.dtype == dtype
        return network.logits(hidden[:40])


@pytest.mark.parametrize(("stored", "least"), [("dense", 0.99), ("int8", 0.99), ("fp8", 0.98)])
def test_bf16_is_close(tiny_folder: Path, stored: Stored, least: float) -> None:
    exact = logits(tiny_folder, torch.float32, "dense")
    rough = logits(tiny_folder, torch.bfloat16, stored)
    assert rough.dtype == torch.float32
    assert np.corrcoef(exact.ravel(), rough.ravel())[0, 1] > least


@pytest.mark.parametrize(
    ("changes", "rank", "stored", "reason"),
    [
        ({}, 0, "dense", ""),
        ({}, 32, "dense", ""),
        ({"head_dim": 48}, 0, "dense", "heads of 48"),
        ({"hidden_size": 20_000}, 0, "dense", "a width of 20000"),
        ({"intermediate_size": 300}, 0, "dense", ""),
        ({"intermediate_size": 300}, 4, "dense", "multiples of 128"),
        ({"intermediate_size": 300}, 0, "int8", "multiples of 128"),
        ({"intermediate_size": 300}, 0, "fp8", "multiples of 128"),
        ({}, 64, "dense", "rank 64, and the kernels take up to 42"),
    ],
)
def test_what_the_kernels_cannot_run_is_named(
    tiny_folder: Path, changes: dict[str, int], rank: int, stored: Stored, reason: str
) -> None:
    known = TransformerConfig.from_folder(tiny_folder)
    names = known.__dataclass_fields__
    config = TransformerConfig(**{name: getattr(known, name) for name in names} | changes)
    found = misfit(config, rank, stored)
    assert reason in found
    assert bool(found) == bool(reason)
