"""The engine's pass on the kernels themselves, in Triton's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
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


def scores(kind):
    runtime = kind(folder, cache_bytes=1 << 20, adapter=adapter)
    first, second = CachedSequence(), CachedSequence()
    for sequence in (first, second):
        runtime.pool.reserve(sequence, 90)
    runtime.forward([RowGroup.causal(first, 0, range(70, 140))])
    tree = RowGroup(
        sequence=first,
        start=70,
        ids=np.arange(7, dtype=np.int32),
        masked=np.arange(7) >= 3,
        behind=np.array([-1, -1, -1, 0, 0, 2, 2], np.int32),
        wanted=np.arange(7, dtype=np.int32),
    )
    found = runtime.forward([tree, RowGroup.causal(second, 0, range(5), [4])])
    return np.concatenate([one.logits for one in found])


print(np.abs(scores(KernelRuntime) - scores(TorchRuntime)).max())
"""


def test_kernels_compute_what_torch_computes(tiny_folder: Path) -> None:
    pytest.importorskip("triton")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-3
