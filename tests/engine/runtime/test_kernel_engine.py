"""The engine on passes of kernels: it starts as on a GPU, and writes what it writes on torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine.engine import Engine
from midspan_engine.protocol import Infill, InfillRequest
from midspan_engine.runtime import kernel_runtime
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.kernel_buckets import Ladder
from midspan_engine.runtime.kernel_cache import make_storage
from midspan_engine.runtime.kernel_graphs import PassGraphs
from midspan_engine.runtime.kernel_runtime import KernelRuntime
from midspan_engine.runtime.kernel_transfer import Transfers
from midspan_engine.runtime.rows import RowGroup
from midspan_engine.runtime.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.protocol.requests import Effort
    from midspan_engine.runtime.rows import Runtime
    from midspan_engine.tokenizer import Tokenizer

CACHE = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def kernels(tiny_folder: Path, tiny_low_rank: Adapter) -> KernelRuntime:
    return KernelRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank)


@pytest.fixture(scope="module")
def reference(tiny_folder: Path, tiny_low_rank: Adapter) -> TorchRuntime:
    return TorchRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank)


def logits(runtime: Runtime) -> np.ndarray:
    """Of causal rows and of masks behind the last of them."""
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, 80)
    group = RowGroup(
        sequence=sequence,
        start=0,
        ids=np.arange(60, dtype=np.int32),
        masked=np.arange(60) >= 20,
        behind=np.where(np.arange(60) < 20, -1, 19).astype(np.int32),
        wanted=np.arange(60, dtype=np.int32),
    )
    return runtime.forward([group])[0].logits


@pytest.fixture
def as_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the device itself: its tensors are made on the CPU."""
    load = kernel_runtime._load
    monkeypatch.setattr(
        kernel_runtime,
        "_load",
        lambda folder, dtype, _device, *rest: load(folder, dtype, "cpu", *rest),
    )
    monkeypatch.setattr(
        kernel_runtime,
        "make_storage",
        lambda config, size, dtype, _device: make_storage(config, size, dtype, "cpu"),
    )
    monkeypatch.setattr(kernel_runtime, "Transfers", lambda _device: Transfers("cpu"))
    monkeypatch.setattr(
        kernel_runtime, "PassGraphs", lambda run, _device, way: PassGraphs(run, "cpu", way)
    )


@pytest.mark.usefixtures("as_cuda")
def test_on_cuda_it_starts_in_bf16_with_the_usual_passes_captured(
    tiny_folder: Path, tiny_low_rank: Adapter, reference: TorchRuntime
) -> None:
    said: list[float] = []
    runtime = KernelRuntime(
        tiny_folder,
        cache_bytes=CACHE,
        device="cuda",
        adapter=tiny_low_rank,
        ladder=Ladder(rows=(16, 64), pieces=(1, 2)),
        progress=lambda share, _what: said.append(share),
    )
    assert runtime.name == "kernels-cuda-bf16"
    assert runtime.pool.storage.dtype == torch.bfloat16
    assert said == sorted(said)
    assert (said[0], round(said[-1], 6)) == (0.2, 0.8)
    assert len(runtime._graphs) == 8
    rough, true = logits(runtime), logits(reference)
    assert len(runtime._graphs) == 8
    assert np.corrcoef(rough.ravel(), true.ravel())[0, 1] > 0.99


@pytest.mark.usefixtures("as_cuda")
def test_plain_torch_in_bf16_is_as_close(
    tiny_folder: Path, tiny_low_rank: Adapter, reference: TorchRuntime
) -> None:
    """What the compiler gets where the kernels do not run; here it is not called."""
    runtime = KernelRuntime(
        tiny_folder,
        cache_bytes=CACHE,
        device="cuda",
        adapter=tiny_low_rank,
        compiled=True,
        reason="Triton is not installed",
        ladder=Ladder(rows=()),
    )
    assert runtime.name == "compiled-cuda-bf16 (Triton is not installed)"
    assert np.corrcoef(logits(runtime).ravel(), logits(reference).ravel())[0, 1] > 0.99


def texts(runtime: Runtime, tokenizer: Tokenizer, effort: Effort) -> list[str]:
    """What three sessions get that type at the same time, each a few characters on."""
    engine = Engine(runtime, tokenizer)
    found: list[str] = []

    def keep(answer: object) -> None:
        assert isinstance(answer, Infill), answer
        found.append(answer.choices[0].text)

    for step in range(4):
        for session in range(3):
            request = InfillRequest(
                id=step * 3 + session,
                session=str(session),
                prefix=f"def load_{session}(name, path):\n    with open(path) as handle"[
                    : 34 + step
                ],
                suffix="\n" + "".join(f"    name_{n} = path[{n}]\n" for n in range(4 + session)),
                language="python",
                scope="block",
                max_tokens=12,
                effort=effort,
            )
            engine.submit(request.id, request, keep)
        while engine.step():
            pass
    engine.solver.forget("")
    return found


@pytest.mark.parametrize("effort", ["verified", "balanced", "draft"])
def test_the_engine_writes_the_same_text_as_on_torch(
    effort: Effort, kernels: KernelRuntime, reference: TorchRuntime, tiny_tokenizer: Tokenizer
) -> None:
    ours = texts(kernels, tiny_tokenizer, effort)
    assert len(ours) == 12
    assert any(ours)
    assert ours == texts(reference, tiny_tokenizer, effort)
