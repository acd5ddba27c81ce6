"""What this machine is good at: number format and memory for training on a CPU."""

from __future__ import annotations

import ctypes
import logging
import sys
import time

import torch
from torch.nn import functional

_LOG = logging.getLogger(__name__)
_ROWS, _WIDTH, _ROUNDS = 256, 896, 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 1024 * 1024


def choose_dtype(wanted: str, device: str) -> torch.dtype:
    """Format of the frozen weights: as asked, or what is faster here.

    bf16 linears are several times faster than fp32 on CPUs with a bf16 matrix unit, and slower on
    the others, so `auto` times both for a few milliseconds. CUDA gets bf16.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bf16" else torch.float32
    if device != "cpu":
        return torch.bfloat16
    narrow, wide = _linear_seconds(torch.bfloat16), _linear_seconds(torch.float32)
    chosen = torch.bfloat16 if narrow < wide else torch.float32
    work = 2 * _ROWS * _WIDTH * _WIDTH * _ROUNDS / 1e9
    _LOG.info(
        "linears here: bf16 %.0f GFLOPS, fp32 %.0f GFLOPS: training in %s",
        work / narrow, work / wide, chosen,
    )  # fmt: skip
    return chosen


def keep_memory() -> None:
    """Tell glibc to reuse large blocks: each pass frees what the next one allocates."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _linear_seconds(dtype: torch.dtype) -> float:
    x, weight = (torch.randn(rows, _WIDTH, dtype=dtype) for rows in (_ROWS, _WIDTH))
    functional.linear(x, weight)
    started = time.perf_counter()
    for _ in range(_ROUNDS):
        functional.linear(x, weight)
    return time.perf_counter() - started
