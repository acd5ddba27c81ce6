"""The item at the left margin (a function, a class) in which the cursor stands.

Brackets balance within it, so that neither a broken place elsewhere nor the length of the file
matters.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place

# A longer item is not worth its time.
_MAX_LINES = 400


def item_before(place: Place) -> str | None:
    """The text from the nearest line at the left margin up to the cursor; None if it is too far."""
    taken = [place.line_before]
    if _is_margin(place.line_before, place):
        return place.line_before
    for line in islice(place.lines_above(), _MAX_LINES):
        taken.append(line)
        if _is_margin(line, place):
            break
    return "\n".join(reversed(taken)) if len(taken) <= _MAX_LINES else None


def item_after(place: Place) -> str | None:
    """The text from the cursor to the end of the item at the left margin; None if it is too far.

    That is before the next item, or behind the line at the margin that closes this one: closers
    below it belong to a namespace around them.
    """
    taken = [place.line_after]
    for line in islice(place.lines_below(), _MAX_LINES):
        if _is_margin(line, place):
            break
        taken.append(line)
        if line[:1].strip() and not place.language.opener.search(line):
            break
    return "\n".join(taken) if len(taken) <= _MAX_LINES else None


def _is_margin(line: str, place: Place) -> bool:
    """Not indented, not blank, no closer that ends the item above, not for a preprocessor."""
    if not line[:1].strip() or place.language.closer.match(line):
        return False
    return place.language.blocks != "brace" or not line.startswith("#")
