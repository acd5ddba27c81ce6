"""White space at the start of the suggestion and of its lines."""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING

from midspan_server.indent import columns_of, leading
from midspan_server.postprocess.brackets import innermost_opener

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place

_SEARCHED_LINES = 200
_DEFAULT_UNIT = 4
_TAB = "\t"


def merge_spaces(text: str, place: Place) -> str:
    """Cut a space at the start where one stands before the cursor: `x = |` and ` 1`."""
    before = place.line_before
    if before.strip() and before[-1] in " \t":
        return text.lstrip(" \t")
    return text


def fix_indentation(text: str, place: Place) -> str:
    """Cut indentation that the cursor's line has already.

    With the cursor at the column of the line above, a suggestion that starts with spaces has
    written its indentation a second time. If its other lines are as far in, they move back too.
    """
    first, *others = text.split("\n")
    own = leading(first)
    if place.line_before.strip() or not own or not first.strip():
        return text
    column = columns_of(place.line_before)
    if innermost_opener(place) in {"(", "["}:
        # Lines inside brackets are aligned by taste.
        return text
    surplus = column + columns_of(own) - max(column, _expected_column(place))
    if surplus <= 0:
        return text
    kept = " " * (columns_of(own) - surplus)
    filled = [columns_of(leading(line)) for line in others if line.strip()]
    if filled and min(filled) >= column + columns_of(own):
        others = [_without_columns(line, surplus) for line in others]
    return "\n".join([kept + first.lstrip(" \t"), *others])


def _expected_column(place: Place) -> int:
    """The column of the next line of code, from the line above."""
    above = next((line for line in place.lines_above() if line.strip()), "")
    column = columns_of(leading(above))
    opens = place.language.opener.search(above)
    return column + (_unit(place) if opens else 0)


def _without_columns(line: str, columns: int) -> str:
    space = leading(line)
    return " " * (columns_of(space) - columns) + line[len(space) :] if line.strip() else line


def match_tabs(text: str, place: Place) -> str:
    """Indent the lines below the first with what the file is indented with, tabs or spaces."""
    first, *others = text.split("\n")
    style = _style(place)
    if not others or style is None:
        return text
    unit = _unit(place)
    return "\n".join([first, *(_with_style(line, style, unit, others) for line in others)])


def _with_style(line: str, style: str, unit: int, others: list[str]) -> str:
    space = leading(line)
    if style == _TAB and " " in space:
        step = _step(others)
        depth, rest = divmod(len(space.replace(_TAB, " " * step)), step)
        return _TAB * depth + " " * rest + line[len(space) :]
    if style == " " and _TAB in space:
        return space.replace(_TAB, " " * unit) + line[len(space) :]
    return line


def _step(lines: list[str]) -> int:
    """Columns of one level in lines indented with spaces."""
    widths = [len(leading(line)) for line in lines if line.startswith(" ") and line.strip()]
    return 2 if any(width % _DEFAULT_UNIT for width in widths) else _DEFAULT_UNIT


def _style(place: Place) -> str | None:
    """What the nearest indented line starts with; None where no line is indented."""
    if place.line_before[:1] in {" ", _TAB}:
        return place.line_before[0]
    return next(
        (line[0] for line in _near(place) if line[:1] in {" ", _TAB} and line.strip()), None
    )


def _near(place: Place) -> chain[str]:
    return chain(
        islice(place.lines_above(), _SEARCHED_LINES), islice(place.lines_below(), _SEARCHED_LINES)
    )


def _unit(place: Place) -> int:
    """Columns of one level of the file, from the smallest indentation near the cursor."""
    widths = {columns_of(leading(line)) for line in _near(place) if re.match(r"[ \t]+[^\s*]", line)}
    smallest = min(widths - {1}, default=_DEFAULT_UNIT)
    return smallest if smallest in {2, 3, 4, 8} else _DEFAULT_UNIT
