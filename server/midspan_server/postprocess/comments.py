"""Comments that say nothing new."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place

_WORD = re.compile(r"[^\W_]+")
_MIN_WORDS = 2


def drop_comment_echo(text: str, place: Place) -> str | None:
    """Drop a comment whose words all stand in the comment above it.

    `# sort the items` and again `# Sort items`: the model filled the line, not the thought.
    """
    comment = place.language.comment
    said = (place.line_before + text).strip()
    above = next((line.strip() for line in place.lines_above() if line.strip()), "")
    if "\n" in said or not (said.startswith(comment) and above.startswith(comment)):
        return text
    echoes = _words(said) <= _words(above)
    return None if echoes and len(_words(text)) >= _MIN_WORDS else text


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}
