"""The extent that was asked for; the engine keeps to it, other answers may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.indent import columns_of, leading

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place


def cut_to_scope(text: str, place: Place) -> str:
    """Cut a line at its end, and a block at the first line that is not indented like it.

    A cached or joined answer may have been asked for with another scope.
    """
    first, *others = text.split("\n")
    if place.scope.scope == "line":
        return first
    kept = [first]
    for line in others:
        if line.strip() and columns_of(leading(line)) < place.scope.block_indent:
            break
        kept.append(line)
    return "\n".join(kept)
