"""Brackets of the suggestion against those around it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from midspan_server.postprocess.item import item_after, item_before
from midspan_server.syntax import Zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_server.postprocess.place import Place

_PAIRS = {")": "(", "]": "[", "}": "{"}
_STRINGS = (
    r'"""[\s\S]*?"""'
    r"|'''[\s\S]*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
    r"|`(?:\\.|[^`\\])*`"
)


def closers_of(text: str, place: Place) -> list[tuple[int, str]]:
    """Closing brackets of `text` that close nothing in it, with where they stand."""
    return _scan(text, place)[0]


def cut_unbalanced_closer(text: str, place: Place) -> str:
    """Cut at the first closing bracket that closes nothing.

    A closer of the suggestion may close what the code before the cursor has left open, as long as
    the code behind the cursor does not close it. Both are counted within the item at the left
    margin (a function, a class) in which the cursor stands.
    """
    closers, opened = _scan(text, place)
    if not closers or place.zone is not Zone.CODE:
        return text
    before, after = item_before(place), item_after(place)
    if before is None or after is None:
        return text
    left_open = _scan(before, place)[1]
    spare = len(left_open) + len(opened) - len(_scan(after, place)[0])
    for at, closer in closers:
        if not left_open and not place.line_before:
            return text  # at the left margin it may close a namespace, which is not looked at
        if spare <= 0 or not left_open or left_open.pop() != _PAIRS[closer]:
            # What is cut off may have opened something that the rest was counted with.
            return cut_unbalanced_closer(text[:at].rstrip(), place)
        spare -= 1
    return text


def innermost_opener(place: Place) -> str:
    """The bracket that is open at the cursor within its item; "" if none is, or nobody knows."""
    before = item_before(place)
    return "".join(_scan(before, place)[1][-1:]) if before is not None else ""


def _scan(text: str, place: Place) -> tuple[list[tuple[int, str]], list[str]]:
    """Closers without their opener, and openers without their closer, in the order of the text."""
    closers: list[tuple[int, str]] = []
    openers: list[str] = []
    for found in _tokens(place.language.comment, place.language.brackets).finditer(text):
        bracket = found["bracket"]
        if bracket is None:
            continue
        if bracket not in _PAIRS:
            openers.append(bracket)
        elif openers and openers[-1] == _PAIRS[bracket]:
            openers.pop()
        else:
            closers.append((found.start(), bracket))
    return closers, openers


@lru_cache(maxsize=16)
def _tokens(comment: str, brackets: str) -> re.Pattern[str]:
    """Strings and comments, to step over, and brackets."""
    blocks = r"|/\*[\s\S]*?\*/" if comment in {"//", "/*"} else ""
    chosen = f"[{re.escape(brackets)}]" if brackets else "(?!)"
    return re.compile(rf"{_STRINGS}|{re.escape(comment)}.*{blocks}|(?P<bracket>{chosen})")


def open_brackets(text: str, place: Place) -> Iterator[str]:
    """What would close the brackets that `text` leaves open, innermost first."""
    closing = {opener: closer for closer, opener in _PAIRS.items()}
    return (closing[opener] for opener in reversed(_scan(text, place)[1]))
