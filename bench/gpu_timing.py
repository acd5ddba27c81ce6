"""How long a call takes on a GPU when its inputs come from memory and not from the cache."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

_FLUSH = 256 * 2**20
_RUNS = 50


def microseconds(call: Callable[[], object], *, captured: bool = True) -> float:
    """Median over 50 runs, the L2 cache written over before each.

    Args:
        call: Launches everything on the current stream.
        captured: Replay a CUDA graph of the call, as the engine does; not for calls that come back
            to the host.
    """
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    run: Callable[[], object] = call
    if captured:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        run = graph.replay
    flush = torch.empty(_FLUSH, dtype=torch.int8, device="cuda")
    times: list[float] = []
    for _ in range(_RUNS):
        flush.zero_()
        begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e3)
    return statistics.median(times)
