"""A device without room gets a smaller cache, passes without graphs, and then a clear message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from midspan_engine.models.adapter import Adapter
from midspan_engine.models.config import TransformerConfig
from midspan_engine.runtime import kernel_runtime
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.kernel_buckets import Ladder
from midspan_engine.runtime.kernel_cache import FEWEST_BLOCKS, DeviceFull, make_storage
from midspan_engine.runtime.kernel_runtime import KernelRuntime
from midspan_engine.runtime.rows import RowGroup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCK_BYTES = 2 * 2 * 2 * 32 * 32 * 4
"""Layers, keys and values, heads, positions, head size, float32: of the tiny network."""


def with_room_for(blocks: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let `torch.zeros` fail for more blocks; what was tried."""
    tried: list[int] = []
    zeros = torch.zeros

    def limited(shape: tuple[int, ...], **options: Any) -> torch.Tensor:
        tried.append(shape[2])
        if shape[2] > blocks:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return zeros(shape, **options)

    monkeypatch.setattr(torch, "zeros", limited)
    return tried


def test_a_cache_that_does_not_fit_is_halved_until_it_does(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = with_room_for(150, monkeypatch)
    config = TransformerConfig.from_folder(tiny_folder)
    storage = make_storage(config, 500 * BLOCK_BYTES, torch.float32, "cpu")
    assert tried == [500, 250, 125]
    assert storage.shape == (2, 2, 125, 2, 32, 32)
    assert caplog.text.count("--cache-mb") == 2


@pytest.mark.parametrize(("asked", "tried"), [(200, [200, 100, FEWEST_BLOCKS]), (30, [30])])
def test_below_the_least_cache_the_message_says_what_to_set(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, asked: int, tried: list[int]
) -> None:
    found = with_room_for(10, monkeypatch)
    config = TransformerConfig.from_folder(tiny_folder)
    with pytest.raises(DeviceFull, match="--cache-mb"):
        make_storage(config, asked * BLOCK_BYTES, torch.float32, "cpu")
    assert found == tried


def test_weights_that_do_not_fit_are_refused_with_what_to_do(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_runtime, "merge_adapter", Failing(len, 1))
    config = TransformerConfig.from_folder(tiny_folder)
    merge = Adapter(config, rank=2, alpha=2.0, masks=False)
    with pytest.raises(DeviceFull, match="--runtime openvino"):
        KernelRuntime(tiny_folder, cache_bytes=1 << 20, merge=merge)


class Failing:
    """Runs out of memory the first `times` times."""

    def __init__(self, function: Callable[..., Any], times: int) -> None:
        self.function, self.times = function, times

    def __call__(self, *args: Any) -> Any:
        if self.times:
            self.times -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.function(*args)


def one_pass(runtime: KernelRuntime) -> np.ndarray:
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, 20)
    try:
        group = RowGroup.causal(sequence, 0, range(5, 14), [8])
        return runtime.forward([group])[0].logits
    finally:
        runtime.pool.release(sequence)


@pytest.mark.parametrize("where", ["hidden", "judge"])
def test_a_pass_that_runs_out_of_memory_is_run_again_without_graphs(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    runtime = KernelRuntime(tiny_folder, cache_bytes=1 << 20)
    expected = one_pass(runtime)
    assert len(runtime._graphs) == 1
    emptied: list[int] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(len(runtime._graphs)))
    owner, name = (runtime._graphs, "_run") if where == "hidden" else (runtime._network, "judge")
    if where == "hidden":
        runtime._graphs.drop()  # the next pass is recorded anew, which needs memory
    monkeypatch.setattr(owner, name, Failing(getattr(owner, name), 1))
    np.testing.assert_array_equal(one_pass(runtime), expected)
    assert emptied == [0], "graphs are dropped before torch gives memory back"
    assert len(runtime._graphs) == 0
    assert runtime.count.passes == 2
    np.testing.assert_array_equal(one_pass(runtime), expected)
    assert len(runtime._graphs) == 1


def test_a_pass_that_fails_twice_says_what_to_set(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = KernelRuntime(tiny_folder, cache_bytes=1 << 20)
    monkeypatch.setattr(runtime._network, "judge", Failing(runtime._network.judge, 2))
    with pytest.raises(DeviceFull, match="--cache-mb"):
        one_pass(runtime)
    assert np.isfinite(one_pass(runtime)).all()


@pytest.mark.parametrize("times", [1, 2])
def test_logits_that_somebody_asks_for_get_a_second_chance_too(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    runtime = KernelRuntime(tiny_folder, cache_bytes=1 << 20)
    expected = one_pass(runtime)
    monkeypatch.setattr(runtime._network, "logits", Failing(runtime._network.logits, times))
    if times == 1:
        np.testing.assert_array_equal(one_pass(runtime), expected)
        assert len(runtime._graphs) == 0
    else:
        with pytest.raises(DeviceFull, match="--cache-mb"):
            one_pass(runtime)


def test_warming_up_without_memory_says_what_to_set(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ladder = Ladder(rows=(4,), pieces=(1,), places=64)
    runtime = KernelRuntime(tiny_folder, cache_bytes=1 << 20, ladder=ladder)
    said: list[str] = []
    runtime.warm_up(lambda _share, what: said.append(what))
    assert said == ["capturing passes, 1 of 1"]
    runtime._graphs.drop()
    monkeypatch.setattr(runtime._graphs, "_run", Failing(runtime._graphs._run, 1))
    with pytest.raises(DeviceFull, match="--cache-mb"):
        runtime.warm_up(lambda _share, _what: None)
