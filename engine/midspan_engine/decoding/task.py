"""What the engine runs: requests of any kind, pass by pass.

Written as generators, the requests of several sessions join one pass, and a request that is
cancelled is closed between two passes, wherever it stands.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from midspan_engine.runtime.rows import RowGroup, RowScores

if TYPE_CHECKING:
    from midspan_engine.protocol import DecodeStats, Edited, Infill, Likelihoods

Passes = Generator[list[RowGroup], list[RowScores], None]
"""Yields the rows of each pass and receives the scores of its groups, until done."""
AnyPasses = Generator[list[Any], list[Any], None]
"""The same for a runtime of any family."""


class Task(Protocol):
    """One request being served.

    Attributes:
        is_urgent: Whether somebody waits for it between two keystrokes.
    """

    is_urgent: bool

    def passes(self) -> AnyPasses:
        """The passes that it needs, in the form that its runtime takes.

        Raises:
            RequestRejected: there is no room for the context.
        """
        ...

    def result(self) -> Infill | Edited | Likelihoods:
        """The answer. Call when `passes` is exhausted."""
        ...

    def cancelled(self) -> Infill | Edited | Likelihoods:
        """The answer where `passes` was closed before its end."""
        ...


@dataclass(slots=True, kw_only=True)
class Clock:
    """Where the time of one request went, in seconds of `time.perf_counter`."""

    arrived: float
    started: float = 0.0
    encoded: float = 0.0
    finished: float = 0.0

    @classmethod
    def since(cls, arrived: float | None) -> Clock:
        """From when the request came; None for now."""
        return cls(arrived=time.perf_counter() if arrived is None else arrived)

    def is_over(self, budget_ms: int | None) -> bool:
        """Whether the time since the request came is used up; None is for ever."""
        return budget_ms is not None and (time.perf_counter() - self.arrived) * 1e3 > budget_ms

    def timed(self, counts: DecodeStats) -> DecodeStats:
        """What a request cost: the counts as they are, and the times."""
        return msgspec.structs.replace(
            counts,
            queue_ms=(self.started - self.arrived) * 1e3,
            context_ms=(self.encoded - self.started) * 1e3,
            decode_ms=(self.finished - self.encoded) * 1e3,
            total_ms=(self.finished - self.arrived) * 1e3,
        )
