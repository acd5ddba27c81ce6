"""Torch's compiler in place of our kernels: the same passes, compiled once for each shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config as inductor

from midspan_engine.models.adapter import Adapter
from midspan_engine.models.config import TransformerConfig
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.kernel_buckets import Ladder, pack, views
from midspan_engine.runtime.kernel_plain import lay_out
from midspan_engine.runtime.kernel_rows import PassRows
from midspan_engine.runtime.kernel_runtime import KernelRuntime
from midspan_engine.runtime.rows import RowGroup
from midspan_engine.runtime.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.runtime.rows import RowScores, Runtime

pytestmark = pytest.mark.filterwarnings(  # torch's own
    "ignore:.*torch.jit.*:DeprecationWarning", "ignore:dynamo_pgo force disabled:UserWarning"
)
LADDER = Ladder(rows=(8,), pieces=(2,), places=64)


def adapter_of(folder: Path) -> Adapter:
    torch.manual_seed(1)
    adapter = Adapter(TransformerConfig.from_folder(folder), rank=4, alpha=4.0)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return adapter


def compiled(folder: Path, **options: Any) -> KernelRuntime:
    return KernelRuntime(folder, cache_bytes=1 << 20, compiled=True, ladder=LADDER, **options)


def passes(runtime: Runtime) -> list[RowScores]:
    """Two sequences in a pass, causal; then the first of them with masks behind its rows."""
    sequences = [CachedSequence(), CachedSequence()]
    for sequence in sequences:
        runtime.pool.reserve(sequence, 40)
    runtime.forward([RowGroup.causal(sequences[0], 0, range(20, 50))])  # more than a shape has
    groups = [
        RowGroup.causal(sequences[0], 30, [3, 4, 5], [0, 2]),
        RowGroup.causal(sequences[1], 0, [6, 7], [1]),
    ]
    tree = RowGroup(
        sequence=sequences[0],
        start=33,
        ids=np.array([8, 9, 0, 0, 0], np.int32),
        masked=np.arange(5) >= 2,
        behind=np.array([-1, -1, 0, 1, 1], np.int32),
        wanted=np.arange(5, dtype=np.int32),
    )
    return [*runtime.forward(groups), *(runtime.forward([tree]) if runtime.has_adapter else [])]


def assert_equal(ours: list[RowScores], theirs: list[RowScores]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.logits, other.logits, atol=2e-4, rtol=2e-4)
        np.testing.assert_array_equal(mine.top_ids[:, 0], other.top_ids[:, 0])
        np.testing.assert_allclose(mine.log_normaliser, other.log_normaliser, atol=2e-4)


@pytest.fixture
def fresh() -> None:
    """As if nothing had been compiled in this process."""
    torch.compiler.reset()
    counters.clear()


@pytest.mark.usefixtures("fresh")
def test_compiled_passes_equal_the_reference_and_a_shape_is_compiled_once(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One shape of the two, for a compiler takes seconds; the other runs uncompiled.
    with_blocks = LADDER.usual(adapted=True)[1:]
    monkeypatch.setattr(Ladder, "usual", lambda _ladder, *, adapted: with_blocks[: int(adapted)])
    said: list[str] = []
    runtime = compiled(
        tiny_folder, adapter=adapter_of(tiny_folder), progress=lambda _, what: said.append(what)
    )
    assert runtime.name == "compiled-cpu-fp32"
    assert said[-1] == "capturing passes, 1 of 1"
    assert counters["stats"]["unique_graphs"] == 1, "for all layers"
    reference = TorchRuntime(tiny_folder, cache_bytes=1 << 20, adapter=adapter_of(tiny_folder))
    assert_equal(passes(runtime), passes(reference))
    assert counters["stats"]["unique_graphs"] == 1, "nobody waits for a compiler at a keystroke"


def test_a_pass_without_rows_writes_nothing(tiny_folder: Path) -> None:
    runtime = KernelRuntime(tiny_folder, cache_bytes=1 << 20, compiled=True, ladder=Ladder(rows=()))
    runtime.pool.storage.normal_()
    before = runtime.pool.storage.clone()
    runtime._graphs.warm_up(LADDER.usual(adapted=False), lambda _share, _what: None)
    assert torch.equal(runtime.pool.storage, before)


def test_padding_sees_something_for_older_torch_divides_by_what_a_row_sees() -> None:
    bucket = LADDER.usual(adapted=True)[1]
    rows = views(torch.from_numpy(pack(PassRows.of([]), bucket)), bucket)
    layout = lay_out(rows, bucket, torch.zeros(2, 64, 4))
    assert layout.seen.shape == (bucket.pieces, bucket.most_rows, bucket.places)
    assert layout.seen.any(-1).all()


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_passes_run_uncompiled_and_the_name_says_why(
    tiny_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with inductor.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}):
        runtime = compiled(tiny_folder, reason="Triton is not installed")
    said = "eager-cpu-fp32 (Triton is not installed, torch.compile fails: No working C++ compiler"
    assert runtime.name.startswith(said)
    assert "\n" not in runtime.name
    assert caplog.text.count("passes run uncompiled") == 1
    assert_equal(passes(runtime), passes(TorchRuntime(tiny_folder, cache_bytes=1 << 20)))
