"""The engine's pass on the kernels themselves, in Triton's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SETUP = """
import sys
from pathlib import Path

import numpy as np
import torch

from midspan_engine.models.adapter import Adapter
from midspan_engine.models.config import TransformerConfig
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.kernel_runtime import KernelRuntime
from midspan_engine.runtime.rows import RowGroup
from midspan_engine.runtime.torch_runtime import TorchRuntime

folder = Path(sys.argv[1])
torch.manual_seed(1)
adapter = Adapter(TransformerConfig.from_folder(folder), rank=4, alpha=4.0)
for parameter in adapter.parameters():
    torch.nn.init.normal_(parameter, std=0.2)


# Causal rows, then so many masks behind each of the first of them.
def tree(sequence, start, ids, masks):
    behind = np.repeat(np.arange(len(masks)), masks)
    return RowGroup(
        sequence=sequence,
        start=start,
        ids=np.array([*ids, *[0] * len(behind)], np.int32),
        masked=np.arange(len(ids) + len(behind)) >= len(ids),
        behind=np.array([-1] * len(ids) + behind.tolist(), np.int32),
        wanted=np.arange(len(ids) + len(behind), dtype=np.int32),
    )
"""

AGREES = """
def scores(kind):
    runtime = kind(folder, cache_bytes=1 << 20, adapter=adapter)
    first, second = CachedSequence(), CachedSequence()
    for sequence in (first, second):
        runtime.pool.reserve(sequence, 90)
    runtime.forward([RowGroup.causal(first, 0, range(70, 140))])
    groups = [tree(first, 70, range(3), [2, 0, 2]), RowGroup.causal(second, 0, range(5), [4])]
    found = runtime.forward(groups)
    return [
        np.concatenate([getattr(one, name) for one in found])
        for name in ("logits", "top_ids", "top_logits", "log_normaliser")
    ]


pairs = zip(scores(KernelRuntime), scores(TorchRuntime), strict=True)
print(max(np.abs(ours - theirs).max() for ours, theirs in pairs))
"""

ALONE = """
def passes(runtime, groups_of):
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, 30)
    runtime.forward([RowGroup.causal(sequence, 0, range(70, 83))])
    found = [runtime.forward([group])[0] for group in groups_of(sequence)]
    lines = runtime.pool.storage[:, :, sequence.blocks].numpy().copy()
    places = lines.transpose(0, 1, 3, 2, 4, 5).reshape(2, 2, 2, 32, 32)[:, :, :, :17]
    return found, places


different = 0
for stored in ("dense", "int8"):
    runtime = KernelRuntime(folder, cache_bytes=1 << 20, adapter=adapter, stored=stored)
    alone, written = passes(
        runtime, lambda one: [RowGroup.causal(one, 13 + i, [i + 3], [0]) for i in range(4)]
    )
    for masks in ([], [2, 2, 2, 2]):
        both, again = passes(runtime, lambda one: [tree(one, 13, range(3, 7), masks)])
        different += (written != again).sum()
        for row in range(4):
            for name in ("top_ids", "top_logits", "log_normaliser"):
                single = getattr(alone[row], name)[0]
                different += (single != getattr(both[0], name)[row]).sum()
print(different)
"""


def run(script: str, folder: Path) -> float:
    pytest.importorskip("triton")
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_kernels_compute_what_torch_computes(tiny_folder: Path) -> None:
    assert run(SETUP + AGREES, tiny_folder) < 1e-3


def test_a_verified_row_has_the_bits_of_the_row_decoded_alone(tiny_folder: Path) -> None:
    """Keys, values and scores; with masks behind it or none, dense and in 8 bits."""
    assert run(SETUP + ALONE, tiny_folder) == 0
