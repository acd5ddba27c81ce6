"""Line ends: LF inside, the document's own outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place


def unify_line_ends(text: str, place: Place) -> str:
    """Write all line ends as LF, so that the other filters know one kind."""
    del place
    return text.replace("\r\n", "\n").replace("\r", "\n")


def match_line_ends(text: str, place: Place) -> str:
    """Write line ends as the document does; a mix in one file is what `git diff` shows whole."""
    return unify_line_ends(text, place).replace("\n", _line_end(place))


def _line_end(place: Place) -> str:
    first = place.snapshot.text.find("\n")
    if first < 0:
        return "\r" if "\r" in place.snapshot.text else "\n"
    return "\r\n" if place.snapshot.text[:first].endswith("\r") else "\n"
