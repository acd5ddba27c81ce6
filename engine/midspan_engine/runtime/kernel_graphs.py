"""Captured passes: one graph for each bucket, launched as a whole instead of kernel by kernel."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from midspan_engine.runtime.kernel_buckets import length, pack
from midspan_engine.runtime.kernel_rows import PassRows
from midspan_engine.runtime.kernel_transfer import Transfers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from midspan_engine.runtime.kernel_buckets import Bucket

    Progress = Callable[[float, str], None]
    Run = Callable[[Tensor, Bucket], Tensor]

MOST_GRAPHS = 128
"""The least recently used is given up for another; the usual ones are 66."""
_RUNS_BEFORE = 2
"""So that everything is compiled and allocated that must not be while a graph is captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A computation that can be run again.

    Attributes:
        replay: Runs it on what its inputs hold now.
        output: Holds the result then.
    """

    replay: Callable[[], None]
    output: Tensor


class EagerRecorder:
    """For devices without graphs: runs everything anew, into the same output."""

    def record(self, run: Callable[[], Tensor]) -> Recorded:
        """See `Recorded`."""
        output = run().clone()

        def replay() -> None:
            output.copy_(run())

        return Recorded(replay=replay, output=output)


class CudaRecorder:
    """CUDA graphs that share their memory: a pass's result is read before the next one runs."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, run: Callable[[], Tensor]) -> Recorded:
        """See `Recorded`."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_RUNS_BEFORE):
                run()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            # Another thread may run another network meanwhile (`standby`); it is no part of this.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                output = run()
        except RuntimeError as error:
            # A capture that runs out of memory cannot be ended either, and fails with that.
            if isinstance(error.__context__, torch.OutOfMemoryError):
                raise error.__context__ from None
            raise
        return Recorded(replay=graph.replay, output=output)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    packed: Tensor
    recorded: Recorded


class PassGraphs:
    """Runs passes, those of a bucket that recurs as a graph.

    Args:
        run: A pass over what `kernel_buckets.pack` gives, moved to the device.
        device: Where it runs.
        transfers: Take rows there.
        make_recorder: Of the device's kind; a new one after `drop`.
    """

    def __init__(
        self,
        run: Run,
        device: str,
        transfers: Transfers | None = None,
        make_recorder: Callable[[], EagerRecorder | CudaRecorder] | None = None,
    ) -> None:
        self._run = run
        self._transfers = transfers or Transfers(device)
        self._device = device
        self._make_recorder = make_recorder or (CudaRecorder if device == "cuda" else EagerRecorder)
        self._recorder = self._make_recorder()
        self._graphs: OrderedDict[Bucket, _Graph] = OrderedDict()

    def __len__(self) -> int:
        return len(self._graphs)

    def run(self, bucket: Bucket, packed: NDArray[np.int32], *, capture: bool = True) -> Tensor:
        """One pass; what it returns is valid until the next.

        Args:
            bucket: Shape of `packed`.
            packed: See `kernel_buckets.pack`.
            capture: Make a graph where there is none and it is worth one.
        """
        graph = self._graphs.get(bucket)
        if graph is None and capture and bucket.recurs:
            graph = self._captured(bucket, packed)
        if graph is None:
            return self._run(self._transfers.send("rows", packed), bucket)
        self._graphs.move_to_end(bucket)
        self._transfers.send("rows", packed, graph.packed)
        graph.recorded.replay()
        return graph.recorded.output

    def warm_up(
        self,
        buckets: Sequence[Bucket],
        progress: Progress,
        prepare: Callable[[Bucket], None] = lambda _bucket: None,
    ) -> None:
        """Capture buckets; no row of them writes anything.

        Args:
            buckets: What to capture.
            progress: Called after each with a share 0..1.
            prepare: Called before each.
        """
        nothing = PassRows.of([])
        for number, bucket in enumerate(buckets, 1):
            prepare(bucket)
            self.run(bucket, pack(nothing, bucket))
            progress(number / len(buckets), f"capturing passes, {number} of {len(buckets)}")

    def drop(self) -> None:
        """Give back the memory of all graphs."""
        self._graphs.clear()
        self._recorder = self._make_recorder()

    def _captured(self, bucket: Bucket, packed: NDArray[np.int32]) -> _Graph:
        on_device = torch.empty(length(bucket), dtype=torch.int32, device=self._device)
        on_device.copy_(torch.from_numpy(packed))
        recorded = self._recorder.record(partial(self._run, on_device, bucket))
        while len(self._graphs) >= MOST_GRAPHS:
            self._graphs.popitem(last=False)
        self._graphs[bucket] = _Graph(packed=on_device, recorded=recorded)
        return self._graphs[bucket]
