"""Whose turn it is: the requests that share the next pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from midspan_engine.decoding.task import AnyPasses, Task
    from midspan_engine.protocol import (
        Edited,
        Infill,
        Likelihoods,
        Partial,
        RequestRejected,
    )
    from midspan_engine.runtime.canvas_rows import CanvasRuntime
    from midspan_engine.runtime.rows import Runtime

    Answer = Infill | Edited | Likelihoods | Partial | RequestRejected
    Reply = Callable[[Answer], None]

_URGENT_PATIENCE_PASSES = 2
"""That the context of a completion waits while the small passes of others fill each pass."""
_PATIENCE_PASSES = 12
"""More than what is typed asks for in a row; a long answer to somebody else has more."""


@dataclass(slots=True, kw_only=True)
class Running:
    """A task between two passes.

    Attributes:
        groups: Rows of its next pass; None before its first.
        runtime: Whose passes it takes part in.
        left_out: Passes since it was last part of one.
    """

    task: Task
    passes: AnyPasses
    reply: Reply
    session: str
    runtime: Runtime | CanvasRuntime
    groups: list[Any] | None = None
    left_out: int = 0

    @property
    def rows(self) -> int:
        """Of its next pass."""
        assert self.groups is not None
        return sum(group.rows for group in self.groups)


def choose(
    running: Mapping[Hashable, Running], *, most: int, most_with_guests: int
) -> list[Hashable]:
    """What is urgent first, and small passes first within that.

    So one long context does not hold up everybody's next token, and edits use what room there is
    beside completions, or take it when they have waited long. A pass is of one network.

    Args:
        running: Requests by name; those before their first pass are passed over.
        most: Rows of one pass; a single request may exceed it.
        most_with_guests: Rows of a pass of completions up to which edits join it.
    """
    begun = {key: one for key, one in running.items() if one.groups is not None}
    is_busy = any(one.task.is_urgent for one in begun.values())
    chosen: list[Hashable] = []
    rows = 0
    for key in sorted(begun, key=lambda key: _turn(begun[key])):
        one = begun[key]
        if chosen and one.runtime is not begun[chosen[0]].runtime:
            continue
        is_guest = is_busy and not one.task.is_urgent and one.left_out < _PATIENCE_PASSES
        if chosen and rows + one.rows > (most_with_guests if is_guest else most):
            break
        rows += one.rows
        chosen.append(key)
    for key, one in begun.items():
        one.left_out = 0 if key in chosen else one.left_out + 1
    return chosen


def _turn(one: Running) -> tuple[int, bool, int]:
    """Least first; who was left out too often leads, or many small passes would starve it."""
    patience = _URGENT_PATIENCE_PASSES if one.task.is_urgent else _PATIENCE_PASSES
    return (-one.left_out if one.left_out >= patience else 0, not one.task.is_urgent, one.rows)
