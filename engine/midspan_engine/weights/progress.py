"""What a pull tells the person who waits: notes, and bars that also read well in a log file."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_SECONDS_BETWEEN_LINES = 5.0


class Progress(Protocol):
    """Where a pull reports to."""

    def note(self, text: str) -> None:
        """Say one line."""

    def bar(self, label: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """Show work of `total` bytes, of which `done` are there already."""


class Advance(Protocol):
    """Moves a bar forward."""

    def __call__(self, count: int, /) -> None:
        """Add `count` bytes; a negative count takes some back."""


class Silent:
    """Says nothing: for programs, and for tests."""

    def note(self, text: str) -> None:
        """Drop `text`."""

    @contextmanager
    def bar(self, label: str, total: int, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002
        """Count for nobody."""
        yield lambda _count: None


class Terminal:
    """A moving bar on a terminal, one line every few seconds anywhere else."""

    def __init__(
        self,
        stream: IO[str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock

    def note(self, text: str) -> None:
        """Print `text` on a line of its own."""
        print(text, file=self._stream, flush=True)

    @contextmanager
    def bar(self, label: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a bar until the block ends."""
        if not self._stream.isatty():
            with self._lines(label, total, done) as advance:
                yield advance
            return
        from tqdm import tqdm  # noqa: PLC0415  belongs to the engine's extra

        with tqdm(
            desc=label, total=total, initial=done, unit="B", unit_scale=True, file=self._stream
        ) as shown:
            yield lambda count: _ignore(shown.update(count))

    @contextmanager
    def _lines(self, label: str, total: int, done: int) -> Iterator[Advance]:
        reached = done
        said = -1
        last = begun = self._clock()

        def say(now: float) -> None:
            nonlocal said
            if said == reached:
                return
            said = reached
            share = 100 * reached / total if total else 100
            rate = (reached - done) / 1e6 / max(now - begun, 1e-3)
            self.note(
                f"{label}: {share:3.0f} % of {total / 1e6:,.1f} MB, {rate:.1f} MB/s, "
                f"{now - begun:.0f} s"
            )

        def advance(count: int) -> None:
            nonlocal reached, last
            reached += count
            now = self._clock()
            if now - last >= _SECONDS_BETWEEN_LINES:
                last = now
                say(now)

        yield advance
        say(self._clock())


def _ignore(_: object) -> None:
    """Give `update` the result type that `Advance` promises."""
