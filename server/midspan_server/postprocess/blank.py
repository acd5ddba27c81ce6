"""Suggestions that show nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place


def cut_trailing_space(text: str, place: Place) -> str:
    """Cut white space at the end of every line: formatters remove it, and nobody types it.

    Before the rest of a line a space may be meant (`a |+ b`), so there the last line keeps it.
    """
    lines = [line.rstrip() for line in text.split("\n")]
    if place.line_after.strip() and "\n" not in text:
        return text
    return "\n".join(lines).rstrip("\n")


def drop_blank(text: str, place: Place) -> str | None:
    """Drop what is only white space: ghost text that cannot be seen."""
    del place
    return text if text.strip() else None
