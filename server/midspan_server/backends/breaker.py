"""`CircuitBreaker`: a server that fails again and again is left alone for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_PAUSE_S = 15.0
_LASTING_PAUSE_S = 300.0
_LONGEST_PAUSE_S = 600.0


class CircuitBreaker:
    """Closed: every request passes. Open: none does. After a pause one request may probe.

    It opens after `most_failures` in a row; a probe that fails doubles the pause.
    """

    def __init__(
        self, most_failures: int = 3, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_failures = most_failures
        self._clock = clock
        self._failures = 0
        self._openings = 0
        self._open_until: float | None = None
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether the server is left alone, or only probed."""
        return self._open_until is not None

    def allows(self) -> bool:
        """Whether a request may pass; say afterwards how it went, or `release` it."""
        if self._open_until is None:
            return True
        if self._is_probing or self._clock() < self._open_until:
            return False
        self._is_probing = True
        return True

    def succeeded(self) -> None:
        """Close."""
        self._failures = self._openings = 0
        self._open_until = None
        self._is_probing = False

    def failed(self, *, lasting: bool = False, pause_s: float | None = None) -> None:
        """Count a failure; `lasting` opens at once, and so does a pause the server asked for."""
        self._is_probing = False
        self._failures += 1
        if not (lasting or pause_s is not None or self._failures >= self._most_failures):
            return
        pause = pause_s
        if pause is None:
            pause = (_LASTING_PAUSE_S if lasting else _FIRST_PAUSE_S) * 2**self._openings
            self._openings = min(self._openings + 1, 10)
        self._open_until = self._clock() + min(pause, _LONGEST_PAUSE_S)

    def release(self) -> None:
        """A request ended without telling anything about the server."""
        self._is_probing = False

    def try_again(self) -> None:
        """Let the next request probe: the user asks, and may have mended it."""
        if self._open_until is not None:
            self._open_until = self._clock()
