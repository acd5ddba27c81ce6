"""The syntax tree's word on the suggestion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.postprocess.brackets import open_brackets
from midspan_server.syntax import Zone, parse

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place
    from midspan_server.syntax import Syntax


def keep_parsing(text: str, place: Place) -> str | None:
    """Drop what adds a syntax error that was not there; its first line may stand alone.

    Code around a cursor is often broken, so damage is compared before and after. What the
    suggestion leaves open (`if x:`, `foo(`) is closed for the count: it is meant to go on.
    """
    syntax = parse(place.snapshot)
    if syntax is None or place.zone is not Zone.CODE or _is_harmless(syntax, text, place):
        return text
    first, found, _ = text.partition("\n")
    if found and first.strip() and _is_harmless(syntax, first, place):
        return first
    return None


def _is_harmless(syntax: Syntax, text: str, place: Place) -> bool:
    known = syntax.damage()
    tried = {text: None, _closed(text, place): None}
    return any(
        syntax.replaced(place.offset, place.offset, candidate).damage().is_within(known, candidate)
        for candidate in tried
    )


def _closed(text: str, place: Place) -> str:
    """`text` with an end to what it opens."""
    last = text.rsplit("\n", 1)[-1]
    if place.language.blocks == "indent" and place.language.opener.search(last):
        return f"{text} pass"
    return text + "".join(open_brackets(text, place))
