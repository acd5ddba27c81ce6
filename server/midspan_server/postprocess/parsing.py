"""The syntax tree's word on the suggestion."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midspan_server.postprocess.brackets import open_brackets
from midspan_server.syntax import Zone, parse

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place
    from midspan_server.syntax import Syntax
    from midspan_server.syntax.tree import Damage


_UNFINISHED = re.compile(r"(?:[-+*/%&|^=<>?.!~]|\b(?:and|or|not|in|is|if|else|as))\s*$")


def keep_parsing(text: str, place: Place) -> str | None:
    """Drop what adds a syntax error that was not there; its first line may stand alone.

    Code around a cursor is often broken, so damage is compared with what was there before, or
    would be there without the cursor's line, whichever is less. What the suggestion leaves open
    (`if x:`, `foo(`, `a +`) is closed for the comparison: it is meant to go on.
    """
    syntax = parse(place.snapshot)
    if syntax is None or place.zone is not Zone.CODE or _is_harmless(syntax, text, place):
        return text
    first, found, _ = text.partition("\n")
    return first if found and first.strip() and _is_harmless(syntax, first, place) else None


def _is_harmless(syntax: Syntax, text: str, place: Place) -> bool:
    # Each tree costs about a millisecond in 5,000 lines, and ten where a bracket is open in the
    # middle of them, so the one that usually decides comes first.
    damage = _with(syntax, text, place)
    if damage.places == 0:
        return True
    known = _known_damage(syntax, place)
    return damage.is_within(known, text) or any(
        _with(syntax, closed, place).is_within(known, closed)
        for closed in dict.fromkeys(_closed(text, place))
        if closed != text
    )


def _with(syntax: Syntax, text: str, place: Place) -> Damage:
    return syntax.replaced(place.offset, place.offset, text).damage()


def _known_damage(syntax: Syntax, place: Place) -> Damage:
    damage = syntax.damage()
    if damage.places == 0:
        return damage
    start, end = place.offset - len(place.line_before), place.offset + len(place.line_after)
    without_line = syntax.replaced(start, end, "").damage()
    return without_line if without_line.places < damage.places else damage


def _closed(text: str, place: Place) -> tuple[str, str]:
    """`text` with an end to what it opens, and with an end to what its line opens."""
    last = text.rsplit("\n", 1)[-1]
    if place.language.blocks == "indent" and place.language.opener.search(last):
        text = f"{text} pass"
    elif _UNFINISHED.search(last):
        text = f"{text} x"
    own = "".join(open_brackets(text, place))
    return text + own, text + "".join(open_brackets(place.line_before + text, place))
