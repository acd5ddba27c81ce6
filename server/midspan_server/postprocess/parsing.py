"""The syntax tree's word on the suggestion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.postprocess.brackets import open_brackets
from midspan_server.syntax import Syntax, Zone
from midspan_server.syntax.grammars import parser

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place
    from midspan_server.syntax.tree import Damage


_BEFORE, _AFTER = 6000, 1500
"""Characters around the cursor that are parsed."""
_MARGIN = re.compile(r"^[^\s})\]#/*]", re.MULTILINE)
_UNFINISHED = re.compile(r"(?:[-+*/%&|^=<>?.!~]|\b(?:and|or|not|in|is|if|else|as))\s*$")


def keep_parsing(text: str, place: Place) -> str | None:
    """Drop what adds a syntax error that was not there; its first line may stand alone.

    Code around a cursor is often broken, so damage is compared with what was there before, or
    would be there without the cursor's line, whichever is less. What the suggestion leaves open
    (`if x:`, `foo(`, `a +`) is closed for the comparison: it is meant to go on.
    """
    language = place.snapshot.language
    if place.zone is not Zone.CODE or parser(language) is None:
        return text
    near = _near(place)
    if near.accepts(text):
        return text
    first, found, _ = text.partition("\n")
    return first if found and first.strip() and near.accepts(first) else None


@dataclass(frozen=True, slots=True)
class _Near:
    """The text around the cursor, parsed on its own.

    In a whole file of 5,000 lines a tree costs ten milliseconds where a bracket is open in the
    middle of it. Damage is only compared, so what the cut itself breaks does not count.
    """

    place: Place
    syntax: Syntax
    offset: int

    def accepts(self, text: str) -> bool:
        damage = self._with(text)
        if damage.places == 0:
            return True
        known = self._known_damage()
        return damage.is_within(known, text) or any(
            self._with(closed).is_within(known, closed)
            for closed in dict.fromkeys(_closed(text, self.place))
            if closed != text
        )

    def _with(self, text: str) -> Damage:
        return self.syntax.replaced(self.offset, self.offset, text).damage()

    def _known_damage(self) -> Damage:
        damage = self.syntax.damage()
        if damage.places == 0:
            return damage
        start = self.offset - len(self.place.line_before)
        end = self.offset + len(self.place.line_after)
        without_line = self.syntax.replaced(start, end, "").damage()
        return without_line if without_line.places < damage.places else damage


def _near(place: Place) -> _Near:
    text, offset = place.snapshot.text, place.offset
    line_start = offset - len(place.line_before)
    start = text.rfind("\n", 0, max(0, line_start - _BEFORE)) + 1
    # A line at the margin most likely begins a definition.
    border = _MARGIN.search(text, start, line_start)
    if start and border:
        start = border.start()
    end = text.find("\n", offset + _AFTER)
    cut = text[start:] if end < 0 else text[start : end + 1]
    return _Near(place, Syntax.from_text(place.snapshot.language, cut), offset - start)


def _closed(text: str, place: Place) -> tuple[str, str]:
    """`text` with an end to what it opens, and with an end to what its line opens."""
    last = text.rsplit("\n", 1)[-1]
    if place.language.blocks == "indent" and place.language.opener.search(last):
        text = f"{text} pass"
    elif _UNFINISHED.search(last):
        text = f"{text} x"
    own = "".join(open_brackets(text, place))
    return text + own, text + "".join(open_brackets(place.line_before + text, place))
