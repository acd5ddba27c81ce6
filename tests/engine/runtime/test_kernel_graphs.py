"""Passes are recorded once for each bucket and replayed on new rows."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from midspan_engine.runtime import kernel_graphs
from midspan_engine.runtime.kernel_buckets import Bucket, Ladder, length
from midspan_engine.runtime.kernel_graphs import CudaRecorder, EagerRecorder, PassGraphs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def bucket(rows: int = 4, *, recurs: bool = True) -> Bucket:
    return Bucket(rows=rows, pieces=1, places=32, most_rows=rows, adapted=False, recurs=recurs)


def packed(shape: Bucket, value: int) -> NDArray[np.int32]:
    return np.full(length(shape), value, np.int32)


class Passes:
    """Counts runs; a pass doubles its rows."""

    def __init__(self) -> None:
        self.runs: list[Bucket] = []

    def __call__(self, rows: torch.Tensor, shape: Bucket) -> torch.Tensor:
        self.runs.append(shape)
        return rows * 2


class CountingRecorder(EagerRecorder):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1


def test_a_replay_computes_on_the_rows_of_its_own_pass() -> None:
    passes = Passes()
    graphs = PassGraphs(passes, "cpu")
    shape = bucket()
    for value in (3, 5, 7):
        assert (graphs.run(shape, packed(shape, value)) == 2 * value).all()
    assert len(graphs) == 1
    assert len(passes.runs) == 4, "recorded once, replayed three times"


def test_what_does_not_recur_is_not_recorded() -> None:
    graphs = PassGraphs(Passes(), "cpu")
    shape = bucket(recurs=False)
    assert (graphs.run(shape, packed(shape, 4)) == 8).all()
    assert (graphs.run(bucket(), packed(bucket(), 4), capture=False) == 8).all()
    assert len(graphs) == 0


def test_the_least_recently_used_graph_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_graphs, "MOST_GRAPHS", 2)
    passes = Passes()
    graphs = PassGraphs(passes, "cpu")
    for rows in (4, 8, 4, 16):
        graphs.run(bucket(rows), packed(bucket(rows), 1))
    passes.runs.clear()
    graphs.run(bucket(4), packed(bucket(4), 1))
    assert len(passes.runs) == 1, "still there"
    graphs.run(bucket(8), packed(bucket(8), 1))
    assert len(passes.runs) == 3
    assert len(graphs) == 2


def test_dropped_graphs_are_made_again_with_memory_of_their_own() -> None:
    CountingRecorder.made = 0
    graphs = PassGraphs(Passes(), "cpu", make_recorder=CountingRecorder)
    graphs.run(bucket(), packed(bucket(), 1))
    graphs.drop()
    assert len(graphs) == 0
    assert CountingRecorder.made == 2
    assert (graphs.run(bucket(), packed(bucket(), 6)) == 12).all()


def test_warming_up_records_the_usual_buckets_and_says_how_far_it_is() -> None:
    passes = Passes()
    graphs = PassGraphs(passes, "cpu")
    ladder = Ladder(rows=(4, 128), pieces=(1, 2, 8), places=64)
    usual = ladder.usual(adapted=True)
    said: list[float] = []
    graphs.warm_up(usual, lambda share, _what: said.append(share))
    assert [(one.rows, one.pieces, one.adapted) for one in usual] == [
        (rows, pieces, adapted)
        for adapted in (False, True)
        for rows, pieces in ((4, 1), (4, 2), (128, 2), (128, 8))
    ]
    assert set(passes.runs) == set(usual)
    assert said == [(number + 1) / 8 for number in range(8)]


def test_all_usual_graphs_are_kept() -> None:
    assert len(Ladder().usual(adapted=True)) <= kernel_graphs.MOST_GRAPHS


class FakeGraph:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def replay(self) -> None:
        self.log.append("replay")


def test_a_cuda_graph_is_captured_after_runs_on_a_stream_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    class FakeStream:
        def wait_stream(self, _other: object) -> None:
            log.append("wait")

    @contextmanager
    def stream(_stream: object) -> Iterator[None]:
        log.append("aside")
        yield

    @contextmanager
    def graph(_graph: object, **options: Any) -> Iterator[None]:
        assert options == {"pool": "pool", "capture_error_mode": "thread_local"}
        log.append("capture")
        yield

    fakes = {
        "graph_pool_handle": lambda: "pool",
        "Stream": FakeStream,
        "current_stream": FakeStream,
        "stream": stream,
        "CUDAGraph": lambda: FakeGraph(log),
        "graph": graph,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)

    def run() -> torch.Tensor:
        log.append("run")
        return torch.ones(1)

    recorded = CudaRecorder().record(run)
    recorded.replay()
    assert log == ["wait", "aside", "run", "run", "wait", "capture", "run", "replay"]


def test_a_capture_that_runs_out_of_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def graph(_graph: object, **_options: Any) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise RuntimeError("operation failed due to a previous error during capture") from None

    fakes: dict[str, Any] = {
        "graph_pool_handle": lambda: "pool",
        "Stream": MagicMock(),
        "current_stream": MagicMock(),
        "stream": lambda _stream: nullcontext(),
        "CUDAGraph": MagicMock(),
        "graph": graph,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    runs = iter([torch.ones(1), torch.ones(1)])

    def run() -> torch.Tensor:
        for output in runs:
            return output
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        CudaRecorder().record(run)
