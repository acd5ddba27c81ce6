"""The syntax tree's word on the suggestion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.postprocess.brackets import open_brackets
from midspan_server.syntax import Zone
from midspan_server.syntax.nearby import nearby

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place
    from midspan_server.syntax.tree import Damage, Syntax


_UNFINISHED = re.compile(r"(?:[-+*/%&|^=<>?.!~]|\b(?:and|or|not|in|is|if|else|as))\s*$")


def keep_parsing(text: str, place: Place) -> str | None:
    """Drop what adds a syntax error that was not there; its first line may stand alone.

    Code around a cursor is often broken, so damage is compared with what was there before, or
    would be there without the cursor's line, whichever is less. What the suggestion leaves open
    (`if x:`, `foo(`, `a +`) is closed for the comparison: it is meant to go on.
    """
    around = nearby(place.snapshot, place.offset)
    if around is None or place.zone is not Zone.CODE:
        return text
    near = _Near(place, around.syntax, place.offset - around.start)
    if near.accepts(text):
        return text
    first, found, _ = text.partition("\n")
    return first if found and first.strip() and near.accepts(first) else None


@dataclass(frozen=True, slots=True)
class _Near:
    """The text around the cursor. Damage is compared, so what the cut breaks does not count."""

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


def _closed(text: str, place: Place) -> tuple[str, str]:
    """`text` with an end to what it opens, and with an end to what its line opens."""
    last = text.rsplit("\n", 1)[-1]
    if place.language.blocks == "indent" and place.language.opener.search(last):
        text = f"{text} pass"
    elif _UNFINISHED.search(last):
        text = f"{text} x"
    own = "".join(open_brackets(text, place))
    return text + own, text + "".join(open_brackets(place.line_before + text, place))
