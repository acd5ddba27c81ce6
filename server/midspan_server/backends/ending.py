"""Where an answer ends, judged while it grows: what comes behind that need not be waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.indent import columns_of, leading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_engine.protocol import Finish, InfillRequest

_MOST_BLANK_LINES = 2


@dataclass(frozen=True, slots=True)
class Ending:
    """The text up to where it ends, and why it ends there."""

    text: str
    finish: Finish


def ending(text: str, request: InfillRequest, stops: tuple[str, ...] = ()) -> Ending | None:
    """Return the earliest ending that `text` has reached, by the rules of `InfillRequest`.

    None means that it may go on. `stops` end it beside those of the request.
    """
    found = [
        Ending(text[:at], "stop")
        for stop in (*request.stop, *stops)
        if stop and (at := text.find(stop)) >= 0
    ]
    by_layout = _line_end(text) if request.scope == "line" else _block_end(text, request)
    if by_layout is not None:
        found.append(by_layout)
    return min(found, key=lambda one: len(one.text), default=None)


def _line_end(text: str) -> Ending | None:
    at = text.find("\n")
    return Ending(text[:at].rstrip("\r"), "line") if at >= 0 else None


def _block_end(text: str, request: InfillRequest) -> Ending | None:
    """End before a line that is indented less than the block, and at a run of blank lines.

    The last line counts as soon as its first letter is there: its indentation is known then.
    """
    blank = 0
    for start, line in _lines(text, skips_first=not _at_line_start(request.prefix)):
        space = leading(line)
        has_text = bool(line.strip())
        blank = 0 if has_text else blank + 1
        is_outside = has_text and columns_of(space) < request.block_indent
        if is_outside or (blank > _MOST_BLANK_LINES and text[:start].strip()):
            return Ending(text[:start].rstrip(), "block")
    return None


def _at_line_start(prefix: str) -> bool:
    return not prefix or prefix.endswith(("\n", "\r"))


def _lines(text: str, *, skips_first: bool) -> Iterator[tuple[int, str]]:
    """Offsets and contents of the lines, without an empty one at the end."""
    start = text.find("\n") + 1 if skips_first else 0
    if skips_first and not start:
        return
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, text[start:end]
        start = end + 1
