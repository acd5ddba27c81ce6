"""What happens when a device runs out of memory while it computes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import torch

from midspan_engine.runtime.kernel_cache import DeviceFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.runtime.kernel_graphs import PassGraphs

    Result = TypeVar("Result")
    Compute = Callable[[bool], Result]

_logger = logging.getLogger(__name__)


def with_room(graphs: PassGraphs, what: str, compute: Compute[Result]) -> Result:
    """Compute something; where memory is short, a second time without graphs.

    Args:
        graphs: Are dropped before the second time.
        what: Is computed, for the log.
        compute: Gets whether it may capture a graph.

    Raises:
        DeviceFull: there is too little memory even so.
    """
    found = _tried(compute)
    if found is not None:
        return found
    _logger.warning("out of memory in %s; trying without graphs", what)
    graphs.drop()
    torch.cuda.empty_cache()
    try:
        return compute(False)
    except torch.OutOfMemoryError as error:
        raise full() from error


def full() -> DeviceFull:
    """Says what to set."""
    return DeviceFull(
        "the device ran out of memory in a pass; start the engine with a smaller --cache-mb, or "
        "free some of the device's memory"
    )


def _tried(compute: Compute[Result]) -> Result | None:
    """None when out of memory. The error is let go: it holds the tensors of its frames."""
    try:
        return compute(True)
    except torch.OutOfMemoryError:
        return None
